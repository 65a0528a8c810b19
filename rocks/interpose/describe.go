package interpose

import (
	"slices"

	"golang.org/x/sys/unix"

	"rock/rocks"
)

// describe fills the State.
func (s *Suspension) describe(index map[*rocks.Conn]int, places *census) {
	for _, p := range s.legs {
		l := p.describe(index)
		s.state.Legs = append(s.state.Legs, l)
		s.stats.Drained += len(l.ToPeer) + len(l.ToProgram)
		if l.Place.valid() {
			s.stats.Sockets++
		}
		if p.rock == nil {
			s.stats.Lost++
		}
	}
	for _, p := range s.lines {
		l := p.describe(index)
		s.state.Listeners = append(s.state.Listeners, l)
		s.stats.Lost += len(p.l.head) - len(l.Waiting)
	}
	for _, p := range s.dials {
		if p.held && p.place.valid() {
			s.state.Dials = append(s.state.Dials, DialState{Place: p.place, Family: p.dial.s.family,
				Remote: p.dial.remote, Local: p.dial.local})
		}
	}
	s.ip.sockets.describe(s.state, places)
}

func (p *parked) describe(index map[*rocks.Conn]int) LegState {
	l := p.leg
	_, local, remote := l.sock.look()
	st := LegState{
		Place: p.place, Rock: -1, End: p.end, Family: l.sock.family, Local: local, Remote: remote,
		ToPeer: l.toPeer, ToProgram: slices.Concat(p.queued, l.toProgram, p.rest), Left: l.left.Load(), FinDue: l.finDue,
		PeerFIN: l.peerFIN || p.restFIN,
		NoRead:  p.noRead, Options: p.options,
	}
	if i, ok := index[p.rock]; ok {
		st.Rock, st.End = i, ""
	} else if st.End == "" {
		st.End = endReset
	}
	return st
}

func (p *pausedLine) describe(index map[*rocks.Conn]int) ListenerState {
	l := p.l
	fd := -1
	if raw, err := l.public.SyscallConn(); err == nil {
		_ = raw.Control(func(s uintptr) { fd = int(s) })
	}
	st := ListenerState{
		Place: p.place, Family: l.family, Address: l.publicAddr, Backlog: l.backlog, V6Only: v6only(fd, l.family),
		ReuseAddr: intOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR) != 0,
		ReusePort: intOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT) != 0,
		Options:   p.options,
	}
	for _, d := range l.head {
		if i, ok := index[d.rock]; ok && d.rock != nil {
			st.Waiting = append(st.Waiting, DeliveryState{Rock: i, Local: addrPortOf(d.rock.LocalAddr()),
				Remote: d.remote, ToProgram: d.cargo.toProgram, PeerFIN: d.cargo.peerFIN})
		}
	}
	return st
}

// describe adds the sockets to a State that are neither on a leg nor listen.
func (t *sockets) describe(st *State, places *census) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for ck, s := range t.byCookie {
		at := places.places[ck]
		s.mu.Lock()
		if s.phase == phaseFailed && s.errno != 0 && at.valid() {
			st.Failed = append(st.Failed, FailedState{Place: at, Family: s.family, Remote: s.remote, Errno: int(s.errno)})
		}
		s.mu.Unlock()
	}
	for ck := range t.bound {
		if at := places.places[ck]; at.valid() {
			st.Bound = append(st.Bound, at)
		}
	}
}
