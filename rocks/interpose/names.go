package interpose

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// This file answers the calls that would reveal the loopback leg.

// soOriginalDst is SO_ORIGINAL_DST (netfilter_ipv4.h) and its IPv6 twin.
const soOriginalDst = 80

// known finds what stands behind the descriptor of a call: a socket on a leg
// (or on its way to one), a listener, or neither.
func (ip *Interposer) known(c seccomp.Call) (*socket, *listener) {
	if ip.sockets.empty() {
		return nil, nil
	}
	dup, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
	if err != nil {
		return nil, nil
	}
	defer unix.Close(dup)
	ck, err := cookie(dup)
	if err != nil {
		return nil, nil
	}
	s := ip.sockets.get(ck)
	if s != nil && unconnected(dup, s) {
		ip.sockets.forget(s)
		s = nil
	}
	return s, ip.sockets.listener(ck)
}

// unconnected reports whether a socket on a leg has lost it: the connection
// was closed both ways or reset, or the program has disconnected the socket.
// The kernel then answers as it would without us.
func unconnected(fd int, s *socket) bool {
	if phase, _, _ := s.look(); phase != phaseConnected {
		return false
	}
	state, err := tcpState(fd)
	return err == nil && state == tcpClosed
}

// getsockname answers with the address that the socket would have without us.
func (ip *Interposer) getsockname(c seccomp.Call) {
	s, l := ip.known(c)
	switch {
	case l != nil:
		ip.answerAddress(c, l.publicAddr, l.family)
	case s != nil:
		if _, local, _ := s.look(); local.IsValid() {
			ip.answerAddress(c, local, s.family)
			return
		}
		ip.proceed(c)
	default:
		ip.proceed(c)
	}
}

// getpeername answers with the address that the program connected to, or that
// its peer has.
func (ip *Interposer) getpeername(c seccomp.Call) {
	s, _ := ip.known(c)
	if s == nil {
		ip.proceed(c)
		return
	}
	phase, _, remote := s.look()
	if phase != phaseConnected {
		ip.fail(c, unix.ENOTCONN)
		return
	}
	ip.answerAddress(c, remote, s.family)
}

func (ip *Interposer) answerAddress(c seccomp.Call, addr netip.AddrPort, family int) {
	if !ip.calls.Valid(c) {
		return
	}
	if err := tracee.WriteName(c.TID, c.Args[1], c.Args[2], addr, family); err != nil {
		ip.fail(c, errnoOf(err, unix.EFAULT))
		return
	}
	ip.succeed(c, 0)
}

// getsockopt answers the few options that the filter notifies.
func (ip *Interposer) getsockopt(c seccomp.Call) {
	s, _ := ip.known(c)
	if s == nil {
		ip.proceed(c)
		return
	}
	level, option := int32(c.Args[1]), int32(c.Args[2])
	switch {
	case level == unix.SOL_SOCKET && option == unix.SO_ERROR:
		ip.socketError(c, s)
	case level == unix.SOL_SOCKET && option == unix.SO_PEERNAME:
		ip.getpeernameOption(c, s)
	case option == soOriginalDst:
		ip.fail(c, unix.ENOENT) // as without address translation
	default:
		ip.proceed(c)
	}
}

// socketError tells the errno of a failed connect, once.
func (ip *Interposer) socketError(c seccomp.Call, s *socket) {
	if phase, _, _ := s.look(); phase != phaseFailed {
		ip.proceed(c)
		return
	}
	if !ip.calls.Valid(c) {
		return
	}
	ip.clearError(c)
	errno := s.takeErrno() // 0 from the second time on, until the socket connects anew
	if err := tracee.WriteOption(c.TID, c.Args[3], c.Args[4], int32(errno)); err != nil {
		ip.fail(c, errnoOf(err, unix.EFAULT))
		return
	}
	ip.succeed(c, 0)
}

// clearError reads the kernel's own error off the socket of a call, as asking
// for SO_ERROR does: polling does not tell of it any more.
func (ip *Interposer) clearError(c seccomp.Call) {
	if dup, err := tracee.GetFD(c.TID, int(int32(c.Args[0]))); err == nil {
		_, _ = unix.GetsockoptInt(dup, unix.SOL_SOCKET, unix.SO_ERROR)
		unix.Close(dup)
	}
}

// getpeernameOption answers SO_PEERNAME, which wants room for no more than the
// address (net/core/sock.c).
func (ip *Interposer) getpeernameOption(c seccomp.Call, s *socket) {
	phase, _, remote := s.look()
	if phase != phaseConnected {
		ip.fail(c, unix.ENOTCONN)
		return
	}
	if err := tracee.WritePeername(c.TID, c.Args[3], c.Args[4], remote, s.family); err != nil {
		ip.fail(c, errnoOf(err, unix.EFAULT))
		return
	}
	ip.succeed(c, 0)
}
