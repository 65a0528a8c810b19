package rocks

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rock/rocks/detect"
)

// prepareDial sets what must be set before the SYN leaves.
func prepareDial(c syscall.RawConn, mss int, bound bool) error {
	return control(c, func(fd int) error {
		if mss > 0 {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss); err != nil {
				return os.NewSyscallError("setsockopt TCP_MAXSEG", err)
			}
		}
		if bound {
			// Choose the port when the remote address is known, so that one
			// port serves towards several peers (ip(7)). Old kernels lack it.
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
		return nil
	})
}

// prepareListen asks the kernel to keep the SYN of each connection (tcp(7)).
func prepareListen(c syscall.RawConn) error {
	return control(c, func(fd int) error {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1)
		return os.NewSyscallError("setsockopt TCP_SAVE_SYN", err)
	})
}

func control(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func savedMSS(fd int) int { return detect.SavedMSS(fd) }

func smoothedRTT(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Rtt) * time.Microsecond
}

// hostAddrs knows more of an address than interfaceAddrs: one that may not be
// used yet, or should not any more, is left out or comes last.
func hostAddrs() ([]netip.Addr, error) {
	up, err := usableLinks()
	if err != nil {
		return nil, err
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return interfaceAddrs()
	}
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
	var list, old []netip.Addr
	for _, n := range addrs {
		a, _ := netip.AddrFromSlice(n.IP)
		a = a.Unmap()
		switch optimistic := n.Flags&unix.IFA_F_OPTIMISTIC != 0; {
		case !global(a) || !up[n.LinkIndex] || n.Flags&unusable != 0 && !optimistic:
		case n.Flags&unix.IFA_F_DEPRECATED != 0:
			old = append(old, a)
		default:
			list = append(list, a)
		}
	}
	return append(list, old...), nil
}

// usableLinks returns the indices of the interfaces to other hosts that work.
func usableLinks() (map[int]bool, error) {
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	up := make(map[int]bool)
	for _, ifi := range ifis {
		up[ifi.Index] = usable(ifi.Flags) && ifi.Flags&net.FlagLoopback == 0
	}
	return up, nil
}

// routedHere asks the kernel whether packets to a end on this host.
func routedHere(a netip.Addr) bool {
	routes, err := netlink.RouteGet(net.IP(a.AsSlice()))
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}
