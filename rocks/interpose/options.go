package interpose

import "golang.org/x/sys/unix"

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
