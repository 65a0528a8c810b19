package interpose

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/detect"
	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// connect answers connect(2). What it does not understand, and what is known
// to be ordinary, the kernel connects.
func (ip *Interposer) connect(c seccomp.Call) {
	remote, family, err := tracee.Sockaddr(c.TID, c.Args[1], c.Args[2])
	if err != nil || !ip.calls.Valid(c) || family != unix.AF_INET && family != unix.AF_INET6 {
		ip.proceed(c)
		return
	}
	dup, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
	if err != nil {
		ip.proceed(c)
		return
	}
	if !ip.connectSocket(c, dup, remote) {
		unix.Close(dup)
		ip.proceed(c)
	}
}

// connectSocket takes the connect over, and the descriptor dup with it; or
// returns false, to leave it to the kernel.
func (ip *Interposer) connectSocket(c seccomp.Call, dup int, remote netip.AddrPort) bool {
	family, tcp := tcpFamily(dup)
	if !tcp {
		return false
	}
	ck, err := cookie(dup)
	if err != nil {
		return false
	}
	if s := ip.sockets.get(ck); s != nil {
		if handled, again := ip.reconnect(c, dup, s); !again {
			return handled
		}
		renew(dup, family)
	}
	remote = normal(remote)
	if !ip.eligible(dup, family, remote) || ip.portFixed(dup, ck) || localAddr(dup) == remote {
		return false
	}
	ip.closeAbandoned(remote.Port()) // the group may be its own server
	verdict := ip.verdict(remote)
	if verdict == detect.Ordinary || ip.full(dup) {
		return false
	}
	s := newSocket(ck, family, remote)
	d := &dial{ip: ip, s: s, program: dup, remote: remote, local: localAddr(dup).Addr(), verdict: verdict}
	if !d.local.IsValid() || d.local.IsUnspecified() {
		d.local = netip.Addr{}
	}
	if nonblocking(dup) {
		return d.startHeld(c)
	}
	d.startBlocking(c)
	return true
}

// reconnect handles a connect on a socket that is known already. again says
// that the socket is as good as new.
func (ip *Interposer) reconnect(c seccomp.Call, dup int, s *socket) (handled, again bool) {
	phase, _, _ := s.look()
	switch phase {
	case phaseFailed:
		if errno := s.takeErrno(); errno != 0 {
			unix.Close(dup)
			ip.fail(c, errno)
			return true, false // the socket stays known, to be renewed
		}
		ip.sockets.forget(s)
		return false, true
	case phaseConnected:
		if state, err := tcpState(dup); err == nil && state == tcpClosed {
			ip.sockets.forget(s)
			return false, true
		}
		return false, false // EISCONN, or the 0 that ends a non-blocking connect
	}
	if nonblocking(dup) {
		return false, false // held in SYN_SENT: the kernel says EALREADY
	}
	unix.Close(dup)
	ip.awaitSettled(c, s, 0, nil, func() {}) // a restarted call joins the running dial
	return true, false
}

// normal gives an address the form that verdicts are kept under. Connecting to
// the unspecified address means this host.
func normal(a netip.AddrPort) netip.AddrPort {
	addr := a.Addr().Unmap()
	if addr.IsUnspecified() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if a.Addr().Is6() && !a.Addr().Is4In6() {
			addr = netip.IPv6Loopback()
		}
	}
	return netip.AddrPortFrom(addr, a.Port())
}

// eligible reports whether the socket can be put on a leg at all, and the
// address can have rocks.
func (ip *Interposer) eligible(fd, family int, remote netip.AddrPort) bool {
	addr := remote.Addr()
	if remote.Port() == 0 || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	if family == unix.AF_INET && !addr.Is4() {
		return false
	}
	if state, err := tcpState(fd); err != nil || state != tcpClosed {
		return false // connected or listening: the kernel knows the error
	}
	if _, err := detect.PathMSS(addr); err != nil {
		return false // no route: the kernel says so at once
	}
	return ip.reachesLegs(fd, family)
}

// reachesLegs reports whether a socket of the program can reach a loopback
// address of the supervisor's.
func (ip *Interposer) reachesLegs(fd, family int) bool {
	if ns, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil && ns != ip.netns {
		return false
	}
	if dev, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE); err == nil && dev != "" {
		return false
	}
	return intOption(fd, unix.SOL_SOCKET, unix.SO_MARK) == 0 &&
		intOption(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT) == 0
}

// portFixed reports whether the program has chosen the port that it connects
// from, which a link cannot have as well. Ports that it was seen to choose are,
// and those below the ephemeral range (ip(7), ip_local_port_range), which it
// may have chosen before it came to us.
func (ip *Interposer) portFixed(fd int, cookie uint64) bool {
	port := localAddr(fd).Port()
	return port != 0 && (port < 32768 || ip.sockets.wasBound(cookie))
}

// verdict returns what rules and experience say about an address.
func (ip *Interposer) verdict(remote netip.AddrPort) detect.Verdict {
	if ip.rules != nil {
		switch ip.rules.Match(remote) {
		case detect.Force:
			return detect.Rock
		case detect.Forbid:
			return detect.Ordinary
		}
	}
	return ip.cache.Get(remote)
}

// awaitSettled answers a blocking connect when the dial has ended. limit is
// the program's SO_SNDTIMEO; before puts the socket on hold if the call must
// end sooner than the dial; gone is done if the task dies in the call.
func (ip *Interposer) awaitSettled(c seccomp.Call, s *socket, limit time.Duration, before, gone func()) {
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	claim := func() bool {
		select {
		case <-answered:
			return true
		default:
			return false
		}
	}
	held := &heldCall{call: c, drop: claim, before: before, gone: gone}
	if limit > 0 {
		held.deadline, held.late = time.Now().Add(limit), unix.EINPROGRESS
	}
	ip.waiting.add(held)
	ip.work.Go(func() {
		select {
		case <-s.settled:
		case <-ip.ctx.Done():
			return
		}
		ip.waiting.remove(held)
		if !claim() {
			return
		}
		errno := s.takeErrno()
		if errno != 0 {
			ip.sockets.forget(s)
			ip.fail(c, errno)
			return
		}
		ip.succeed(c, 0)
	})
}
