package interpose

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/interpose/tracee"
)

// standing is where a leg and its rock stood when the supervisor died.
type standing struct {
	cargo
	written, read uint64 // by the program, of the rock
	left          bool   // the program's end has been passed to the rock
}

// stand finds that out from what was kept when the leg began to carry, what the rock has noted since, and what the kernel
// says of our end.
func (g *Legacy) stand(l *leftLeg, s *rocks.Salvage, at position) (standing, error) {
	st := standing{written: s.Written(), read: s.Read(), left: s.FinSent()}
	if at.reset { // what is under way is lost anyway, and the kernel may have forgotten
		return st, nil
	}
	toPeer, err1 := g.bytes(l.ToPeer)
	toProgram, err2 := g.bytes(l.ToProg)
	if err := errors.Join(err1, err2); err != nil {
		return standing{}, fmt.Errorf("cargo of a leg: %w", err)
	}
	st.finDue, st.peerFIN = l.FinDue && !st.left, at.ended
	if l.rejoined != nil { // the rock had nothing to do with the leg any more
		st.toPeer, st.toProgram = append(toPeer, l.rejoined.drained...), append(l.rejoined.back, toProgram...)
		st.peerFIN = st.peerFIN || l.Parked.PeerFIN
		return st, nil
	}
	sent, taken := at.sent-l.Sent, at.taken-l.Taken
	if given := st.written - l.Written; given < uint64(len(toPeer)) {
		st.toPeer = toPeer[given:]
	} else {
		st.written = max(st.written, l.Written+uint64(len(toPeer))+taken)
	}
	if sent < uint64(len(toProgram)) {
		st.toProgram = toProgram[sent:]
	} else {
		st.read = max(st.read, l.Read+sent-uint64(len(toProgram)))
	}
	return st, nil
}

// rejoined is what was in a leg that was parked when the supervisor died.
type rejoined struct {
	drained []byte // written by the program, not in the rock
	back    []byte // taken out of the program's socket, to be given it again before anything else
}

// Rejoin puts the legs together that the supervisor had parked, so that the processes, which must be frozen or not have run since,
// can run: they wait for their bytes, but miss none.
// Those that cannot be put together are reset by Inherit.
func (g *Legacy) Rejoin(home netip.Addr) {
	for _, l := range g.legs {
		if l.Parked != nil {
			l.failed = g.rejoin(l, legHome{v4: home})
		}
	}
}

func (g *Legacy) rejoin(l *leftLeg, home legHome) error {
	park := l.Parked
	drained, err1 := g.bytes(park.Drained)
	back, err2 := g.bytes(park.Back)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	l.rejoined = &rejoined{drained: drained, back: back}
	if l.Inner < 0 {
		return nil // recalled from a program that has never had it
	}
	if park.Apart {
		s := g.rocks[l.end()]
		return l.reconnect(home, l.FinDue || s != nil && s.FinSent())
	}
	at, err := positionOf(l.Inner)
	if err != nil {
		return err
	}
	// The last bytes that were kept may not have been taken.
	l.rejoined.drained = drained[:min(at.taken-l.Taken, uint64(len(drained)))]
	if len(back) == 0 {
		return nil
	}
	program, err := l.program()
	if err != nil {
		return err
	}
	defer unix.Close(program)
	was, err := positionOf(program)
	if err != nil {
		return err
	}
	more, _, err := drainInto(nil, program, l.Inner, nil) // they come behind those that are out already
	l.rejoined.back = append(back[:min(was.taken-park.BackAt, uint64(len(back)))], more...)
	return err
}

// program returns a duplicate of the program's socket.
func (l *leftLeg) program() (int, error) {
	if l.accepted >= 0 {
		return unix.FcntlInt(uintptr(l.accepted), unix.F_DUPFD_CLOEXEC, 3)
	}
	return tracee.GetFD(l.Parked.Place.PID, l.Parked.Place.FD)
}

// reconnect connects the program's socket again, which may have been disconnected.
func (l *leftLeg) reconnect(home legHome, noWrite bool) error {
	s := newSocket(l.cookie, l.Family, l.Remote)
	inner, err := home.reconnectLeg(l.Parked.Place, s, noWrite, l.Parked.NoRead)
	if err != nil {
		return err
	}
	return onConn(inner, func(fd int) error {
		l.Inner, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			l.Cookie, err = cookie(l.Inner)
		}
		return errors.Join(err, inner.Close())
	})
}
