package interpose

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inherited are the options that a program may have set on its listening
// socket and that accepted sockets inherit (tcp(7), socket(7), ip(7)).
var inherited = []struct{ level, option int }{
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	{unix.SOL_SOCKET, unix.SO_OOBINLINE},
	{unix.SOL_SOCKET, unix.SO_PRIORITY},
	{unix.SOL_SOCKET, unix.SO_RCVLOWAT},
	{unix.IPPROTO_TCP, unix.TCP_NODELAY},
	{unix.IPPROTO_TCP, unix.TCP_CORK},
	{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
	{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
	{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT},
	{unix.IPPROTO_IP, unix.IP_TOS},
}

// soBufLock is SO_BUF_LOCK (Linux 5.14): which buffer sizes the program fixed.
const (
	soBufLock   = 72
	sendLocked  = 1
	receiveLock = 2
)

// copyOptions sets on the socket to what the program has set on from, as far
// as it differs: setting some of them, such as buffer sizes, has effects of
// its own.
func copyOptions(from, to, family int) {
	for _, o := range inherited {
		want, err := unix.GetsockoptInt(from, o.level, o.option)
		if err == nil && want != intOption(to, o.level, o.option) {
			_ = unix.SetsockoptInt(to, o.level, o.option, want)
		}
	}
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(to, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY,
			intOption(from, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY))
	}
	// The kernel doubles what is set and reports the double (socket(7)).
	locked := intOption(from, unix.SOL_SOCKET, soBufLock)
	if locked&sendLocked != 0 {
		_ = unix.SetsockoptInt(to, unix.SOL_SOCKET, unix.SO_SNDBUF, intOption(from, unix.SOL_SOCKET, unix.SO_SNDBUF)/2)
	}
	if locked&receiveLock != 0 {
		_ = unix.SetsockoptInt(to, unix.SOL_SOCKET, unix.SO_RCVBUF, intOption(from, unix.SOL_SOCKET, unix.SO_RCVBUF)/2)
	}
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if tv, err := unix.GetsockoptTimeval(from, unix.SOL_SOCKET, option); err == nil && tv.Nano() != 0 {
			_ = unix.SetsockoptTimeval(to, unix.SOL_SOCKET, option, tv)
		}
	}
	copyLinger(from, to)
}

func copyLinger(from, to int) {
	var l unix.Linger
	if err := getLinger(from, &l); err == nil && l.Onoff != 0 {
		_ = unix.SetsockoptLinger(to, unix.SOL_SOCKET, unix.SO_LINGER, &l)
	}
}

// unsaved are the options that CRIU does not save (criu/sk-inet.c, criu/sockets.c) and that hold for the
// life of a socket.
var unsaved = []struct{ level, option int }{
	{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
	{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT},
	{unix.IPPROTO_TCP, unix.TCP_CONGESTION},
	{unix.IPPROTO_TCP, unix.TCP_LINGER2},
	{unix.IPPROTO_TCP, unix.TCP_SYNCNT},
	{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT},
	{unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
	{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS},
	{unix.SOL_SOCKET, unix.SO_TIMESTAMP},
	{unix.SOL_SOCKET, unix.SO_ZEROCOPY},
}

// readOptions returns the unsaved options of a socket in which it differs from a new one.
func readOptions(fd, family int) []Option {
	fresh, err := streamSocket(family, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fresh)
	var list []Option
	for _, o := range unsaved {
		is, err := rawOption(fd, o.level, o.option)
		if err != nil {
			continue
		}
		if was, err := rawOption(fresh, o.level, o.option); err == nil && !bytes.Equal(is, was) {
			list = append(list, Option{o.level, o.option, is})
		}
	}
	return list
}

// setOptions sets what readOptions has read. What this kernel does not take is left out: the connection
// works without.
func setOptions(fd int, list []Option) {
	for _, o := range list {
		_ = unix.SetsockoptString(fd, o.Level, o.Name, string(o.Value))
	}
}

// rawOption reads an option as the kernel writes it.
func rawOption(fd, level, option int) ([]byte, error) {
	b := make([]byte, 64)
	n := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return nil, errno
	}
	return b[:n], nil
}
