package interpose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file holds what we ask of a socket by descriptor. All of it works on a
// duplicate of the program's socket as well as on our own.

// cookie identifies the socket behind a descriptor for the socket's life
// (SO_COOKIE, socket(7)): equal for every duplicate in every process.
func cookie(fd int) (uint64, error) {
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
}

// intOption reads an integer socket option, or 0 where it does not exist.
func intOption(fd, level, option int) int {
	v, err := unix.GetsockoptInt(fd, level, option)
	if err != nil {
		return 0
	}
	return v
}

// tcpFamily returns AF_INET or AF_INET6 for a TCP socket, and false for
// everything else.
func tcpFamily(fd int) (int, bool) {
	family := intOption(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return 0, false
	}
	tcp := intOption(fd, unix.SOL_SOCKET, unix.SO_TYPE) == unix.SOCK_STREAM &&
		intOption(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL) == unix.IPPROTO_TCP
	return family, tcp
}

// v6only reports IPV6_V6ONLY: such a socket cannot reach an IPv4 leg.
func v6only(fd, family int) bool {
	return family == unix.AF_INET6 && intOption(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) != 0
}

// nonblocking reports O_NONBLOCK of the open file description.
func nonblocking(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

// setNonblocking sets or clears O_NONBLOCK. Only for descriptions that no
// program shares yet: the flag belongs to all duplicates.
func setNonblocking(fd int, on bool) error {
	return unix.SetNonblock(fd, on)
}

// tcpState returns the kernel's state of a TCP socket (tcp(7), TCP_INFO).
func tcpState(fd int) (uint8, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, fmt.Errorf("read TCP_INFO: %w", err)
	}
	return info.State, nil
}

// TCP states of TCP_INFO that decisions hang on.
const (
	tcpSynSent   = 2
	tcpSynRecv   = 3
	tcpClosed    = 7
	tcpListening = 10
)

// timeoutOption reads SO_RCVTIMEO or SO_SNDTIMEO; 0 means none.
func timeoutOption(fd, option int) time.Duration {
	tv, err := unix.GetsockoptTimeval(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return time.Duration(tv.Nano())
}

// addrOf converts a kernel socket address; v4-mapped addresses are unmapped.
func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && a.Is6() {
			a = a.WithZone(fmt.Sprint(sa.ZoneId))
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// sockaddr builds the kernel's form of addr for a socket of the given family;
// an IPv4 address on an IPv6 socket is written v4-mapped.
func sockaddr(addr netip.AddrPort, family int) unix.Sockaddr {
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if zone := addr.Addr().Zone(); zone != "" {
		fmt.Sscan(zone, &sa.ZoneId)
	}
	return sa
}

// localAddr is getsockname(2) on fd; the zero value if it fails.
func localAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrOf(sa)
}

// remoteAddr is getpeername(2) on fd; the zero value if it fails.
func remoteAddr(fd int) netip.AddrPort {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrOf(sa)
}

// connect is connect(2), repeated when a signal of the Go runtime breaks it:
// the kernel then joins the attempt that is under way.
func connect(fd int, addr netip.AddrPort, family int) error {
	sa := sockaddr(addr, family)
	for {
		err := unix.Connect(fd, sa)
		if err != unix.EINTR {
			return err
		}
	}
}

// disconnect returns a connected socket to the unconnected state
// (connect(2) with AF_UNSPEC) and reads off the error that this leaves behind,
// which the program would otherwise meet.
func disconnect(fd int) error {
	var sa [16]byte
	binary.NativeEndian.PutUint16(sa[:], unix.AF_UNSPEC)
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa[0])), uintptr(len(sa)))
	if errno != 0 {
		return fmt.Errorf("disconnect socket: %w", errno)
	}
	_, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	return nil
}

// renew makes a socket that has lost its leg, or has not got one, as good as new: open in both directions, and an
// IPv6 one no longer bent to IPv4. The kernel does that to a socket that connects to an IPv4-mapped address, as a leg's
// may be, and undoes it only when it cannot: no connection is possible to the broadcast address.
func renew(fd, family int) {
	_ = disconnect(fd) // fails if it is so already
	if family == unix.AF_INET6 {
		_ = connect(fd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 9), family)
	}
}

// forgetPort makes an unconnected socket forget the port that it had while it was connected. The
// kernel has given the port back, but still tells it (getsockname), so who saves the socket would take it
// for one that the program has chosen, and bind the restored one to it.
func forgetPort(fd, family int) {
	port := localAddr(fd).Port()
	if port == 0 {
		return
	}
	was := intOption(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	any := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		any = netip.IPv6Unspecified()
	}
	// EINVAL: it is bound, and so keeps its port rightly.
	_ = unix.Bind(fd, sockaddr(netip.AddrPortFrom(any, 0), family))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, was)
}

// pending reports whether a read on fd would not block: data, end or error.
func pending(fd int) bool { return pollFor(fd, unix.POLLIN, 0) }

// pollFor waits for events on fd, at most so many milliseconds (-1: for ever).
func pollFor(fd int, events int16, timeout int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		n, err := unix.Poll(p, timeout)
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}

// resetOnClose makes the next close(2) of the last descriptor send RST.
func resetOnClose(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// streamSocket opens a TCP socket of ours, close-on-exec.
func streamSocket(family int, flags int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("open socket: %w", os.NewSyscallError("socket", err))
	}
	return fd, nil
}

// awaitConnected waits until a non-blocking connect of ours has ended.
func awaitConnected(fd int) error {
	if !pollFor(fd, unix.POLLOUT, -1) {
		return errors.New("wait for connect: poll failed")
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	return err
}

// getLinger reads SO_LINGER, for which x/sys has only the setter.
func getLinger(fd int, l *unix.Linger) error {
	n := uint32(unsafe.Sizeof(*l))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(l)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// addrPortOf converts an address of package net; zero if it is not TCP.
func addrPortOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
