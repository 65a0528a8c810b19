package survey

import (
	"errors"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// socket is a socket that the group has open.
type socket struct {
	holders []holder
	ours    bool
}

// socket adds a descriptor of one.
func (l *look) socket(inode uint64, h holder) {
	s := l.sockets[inode]
	if s == nil {
		s = &socket{}
		l.sockets[inode] = s
	}
	s.holders = append(s.holders, h)
	s.ours = s.ours || l.OurSocket != nil && l.OurSocket(h.pid, h.fd, inode)
}

// judgeSockets looks at each of them, and returns those with an end that nobody will replace.
func (l *look) judgeSockets() []end {
	var local []uint64
	for _, inode := range slices.Sorted(maps.Keys(l.sockets)) {
		s := l.sockets[inode]
		if s.ours {
			continue
		}
		if h, standard := l.standard(s.holders); standard {
			s.holders = append([]holder{h}, s.holders...)
		}
		h := s.holders[0]
		p := l.of(h.pid)
		if p == nil {
			continue
		}
		fd, err := l.duplicate(h)
		if err != nil {
			if errors.Is(err, unix.EPERM) {
				l.problem(p, p.thing("sight"), "does not let its sockets be looked at: "+err.Error(), "run as root")
			}
			continue
		}
		domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		switch domain {
		case unix.AF_UNIX:
			local = append(local, inode)
		case unix.AF_INET, unix.AF_INET6:
			l.inet(p, fd, h, inode)
		case unix.AF_NETLINK:
			l.netlink(p, fd, h)
		case unix.AF_PACKET:
			l.warning(p, p.thing("packet socket"), "has a packet socket open"+at(h.fd), "its network interface must be there when the group is restored")
		default:
			l.problem(p, p.thing("socket family "+strconv.Itoa(domain)), "has a socket of the family "+family(domain)+" open"+at(h.fd),
				"not possible to restore; close it")
		}
		_ = unix.Close(fd)
	}
	if len(local) == 0 {
		return nil
	}
	return l.judgeUnix(local)
}

// family names a socket family.
func family(domain int) string {
	names := map[int]string{
		unix.AF_VSOCK: "vsock", unix.AF_ALG: "alg", unix.AF_BLUETOOTH: "bluetooth", unix.AF_CAN: "can", unix.AF_TIPC: "tipc",
		unix.AF_XDP: "xdp", unix.AF_SMC: "smc", unix.AF_RDS: "rds", unix.AF_KCM: "kcm", unix.AF_QIPCRTR: "qipcrtr", unix.AF_KEY: "key",
	}
	if name, ok := names[domain]; ok {
		return name
	}
	return strconv.Itoa(domain)
}

// netlink is for a netlink socket. CRIU saves it if there is nothing to read, and if it has joined no group beyond
// the 32nd.
func (l *look) netlink(p *Process, fd int, h holder) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, _ = unix.Poll(poll, 0)
	joined, beyond := memberships(fd)
	switch {
	case beyond:
		l.problem(p, p.thing("netlink group"), "has a netlink socket open that has joined a group above 32"+at(h.fd), "not possible to restore; close it")
	case poll[0].Revents&unix.POLLIN != 0:
		l.warning(p, p.thing("netlink data"), "has unread messages in a netlink socket"+at(h.fd), "if they are still there the checkpoint fails: try again")
	case joined:
		l.warning(p, p.thing("netlink"), "listens to events on a netlink socket"+at(h.fd),
			"if one is unread at that moment the checkpoint fails: try again. Events meanwhile are lost")
	}
}

// memberships says whether a netlink socket has joined any group, and one above 32. Those above 64 are
// not seen.
func memberships(fd int) (any, beyond bool) {
	const low = 1<<32 - 1
	groups, err := unix.GetsockoptUint64(fd, unix.SOL_NETLINK, unix.NETLINK_LIST_MEMBERSHIPS)
	return err == nil && groups != 0, err == nil && groups&^low != 0
}
