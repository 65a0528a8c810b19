package interpose

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/detect"
	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// listen answers listen(2): the program's socket goes public, a private
// listener takes its place.
func (ip *Interposer) listen(c seccomp.Call) {
	fd := int(int32(c.Args[0]))
	dup, err := tracee.GetFD(c.TID, fd)
	if err != nil {
		ip.proceed(c)
		return
	}
	if !ip.listenSocket(c, fd, dup) {
		unix.Close(dup)
		ip.proceed(c)
	}
}

// listenSocket takes the listen over, and the descriptor dup with it; or
// returns false, to leave it to the kernel.
func (ip *Interposer) listenSocket(c seccomp.Call, fd, dup int) bool {
	family, tcp := tcpFamily(dup)
	if !tcp || ip.listenerOf(dup) != nil || !ip.reachesLegs(dup, family) {
		return false
	}
	if state, err := tcpState(dup); err != nil || state != tcpClosed {
		return false
	}
	if ip.rules != nil && ip.rules.Match(localAddr(dup)) == detect.Forbid {
		return false
	}
	cloexec, err := tracee.CloseOnExec(c.TID, fd)
	if err != nil {
		return false
	}
	l, private, err := newListener(ip, dup, family, int(int32(c.Args[1])))
	var own *listenError
	if errors.As(err, &own) {
		unix.Close(dup)
		ip.fail(c, errnoOf(own, unix.EADDRINUSE))
		return true
	}
	if err != nil {
		ip.log.Warn("listener left ordinary", "error", err)
		return false
	}
	ip.sockets.putListener(l)
	err = ip.calls.SetFD(c, private, fd, cloexec)
	unix.Close(private) // before the answer: the program may close its own at once
	if err != nil {
		ip.log.Warn("listener left ordinary", "address", l.publicAddr, "error", err)
		l.shut() // closes our duplicate; the program's own socket listens by itself
		ip.proceed(c)
		return true
	}
	ip.log.Debug("listening", "address", l.publicAddr, "private", l.private)
	l.start()
	ip.succeed(c, 0)
	return true
}

// bind looks, before the kernel executes bind(2), whether the port is one that
// the program has just stopped listening on.
func (ip *Interposer) bind(c seccomp.Call) {
	addr, _, err := tracee.Sockaddr(c.TID, c.Args[1], c.Args[2])
	if err == nil && addr.Port() != 0 {
		ip.closeAbandoned(addr.Port())
		ip.noteBound(c)
	}
	ip.proceed(c)
}

// noteBound notes that the program has chosen the port of a socket, in case it
// is going to connect from there.
func (ip *Interposer) noteBound(c seccomp.Call) {
	dup, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
	if err != nil {
		return
	}
	defer unix.Close(dup)
	if _, tcp := tcpFamily(dup); !tcp {
		return
	}
	if ck, err := cookie(dup); err == nil {
		ip.sockets.noteBound(ck)
	}
}

// closeAbandoned closes the public listeners on a port that no process of the
// group listens on any more.
func (ip *Interposer) closeAbandoned(port uint16) {
	for _, l := range ip.sockets.allListeners() {
		if l.publicAddr.Port() == port && l.abandoned() {
			l.shut()
		}
	}
}

// sweep clears away what programs have dropped without a word: listeners that
// no process of the group has open any more, and failed sockets. The kernel
// tells only privileged listeners of closed sockets.
func (ip *Interposer) sweep() {
	if !ip.diag {
		ip.log.Warn("closed listeners are noticed at the end of the group only: the kernel has no inet_diag")
	}
	for ip.sweeps.next(ip.ctx) {
		ip.sockets.forgetOld(time.Now().Add(-oldAge))
		for _, l := range ip.sockets.allListeners() {
			if l.abandoned() {
				ip.log.Debug("listener closed", "address", l.publicAddr)
				l.shut()
			}
		}
	}
}

// How often it is swept. A program closes a listener soon after a call of ours as a rule, as when it has accepted its one client.
const (
	sweepOften  = 25 * time.Millisecond
	sweepSeldom = 400 * time.Millisecond
)

// oldAge is how long it is remembered that a connect has failed, or that a
// port was chosen: until then the program should have made use of it.
const oldAge = 5 * time.Minute
