package survey

import (
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Protocols that are not in x/sys.
const protocolSMC = 256

// tcpStates are the kernel's (include/net/tcp_states.h), named as by ss(8).
var tcpStates = [...]string{
	unix.BPF_TCP_ESTABLISHED: "ESTAB", unix.BPF_TCP_SYN_SENT: "SYN-SENT", unix.BPF_TCP_SYN_RECV: "SYN-RECV",
	unix.BPF_TCP_FIN_WAIT1: "FIN-WAIT-1", unix.BPF_TCP_FIN_WAIT2: "FIN-WAIT-2", unix.BPF_TCP_TIME_WAIT: "TIME-WAIT",
	unix.BPF_TCP_CLOSE: "UNCONN", unix.BPF_TCP_CLOSE_WAIT: "CLOSE-WAIT", unix.BPF_TCP_LAST_ACK: "LAST-ACK",
	unix.BPF_TCP_LISTEN: "LISTEN", unix.BPF_TCP_CLOSING: "CLOSING",
}

// inet is for an IPv4 or IPv6 socket that is not ours. fd is a duplicate of it.
func (l *look) inet(p *Process, fd int, h holder, inode uint64) {
	protocol, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	switch protocol {
	case unix.IPPROTO_TCP:
		l.tcp(p, fd, h, inode)
	case unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE:
		network := "udp"
		if protocol == unix.IPPROTO_UDPLITE {
			network = "udplite"
		}
		if address := address(unix.Getsockname(fd)); address.Port() != 0 {
			l.Listeners = append(l.Listeners, Listener{Network: network, Address: address, PID: h.pid, FD: h.fd, Inode: inode})
		}
	case unix.IPPROTO_MPTCP:
		l.problem(p, p.thing("mptcp"), "has a multipath TCP socket open"+at(h.fd),
			"switch it off (GODEBUG=multipathtcp=0 for programs in Go), or start it under rock, where it finds none")
	case unix.IPPROTO_SCTP, unix.IPPROTO_DCCP, protocolSMC:
		name := map[int]string{unix.IPPROTO_SCTP: "SCTP", unix.IPPROTO_DCCP: "DCCP", protocolSMC: "SMC"}[protocol]
		l.problem(p, p.thing(name), "has an "+name+" socket open"+at(h.fd), "not possible to restore; close it")
	}
}

// tcp is for a TCP socket that is not ours.
func (l *look) tcp(p *Process, fd int, h holder, inode uint64) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return
	}
	local := address(unix.Getsockname(fd))
	switch info.State {
	case unix.BPF_TCP_LISTEN:
		l.Listeners = append(l.Listeners, Listener{Network: "tcp", Address: local, Listens: true, PID: h.pid, FD: h.fd, Inode: inode})
		if waiting := info.Unacked; waiting > 0 { // of a listener these are the connections not yet accepted
			l.warning(p, p.thing("backlog "+strconv.FormatUint(inode, 10)),
				fmt.Sprintf("has %d connections waiting to be accepted at %s%s", waiting, local, at(h.fd)),
				"if one is there at that moment the checkpoint fails: try again when the program has accepted them")
		}
	case unix.BPF_TCP_CLOSE:
		if local.Port() != 0 {
			l.Listeners = append(l.Listeners, Listener{Network: "tcp", Address: local, PID: h.pid, FD: h.fd, Inode: inode})
		}
	default:
		c := Connection{Local: local, Remote: address(unix.Getpeername(fd)), PID: h.pid, FD: h.fd, Inode: inode, State: "UNKNOWN"}
		if int(info.State) < len(tcpStates) {
			c.State = tcpStates[info.State]
		}
		l.Ordinary = append(l.Ordinary, c)
		if l.TCPEstablished && info.State == unix.BPF_TCP_SYN_SENT {
			l.warning(p, p.thing("connect "+strconv.FormatUint(inode, 10)), "is about to connect from "+local.String()+at(h.fd),
				"it may not be possible to save that: try again when the connection stands")
		}
	}
}

// address is for the results of Getsockname and Getpeername. It is the zero value if there is none.
func address(sa unix.Sockaddr, err error) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(a.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}
