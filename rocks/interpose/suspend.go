package interpose

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rock/rocks"
)

// Suspension is a group at rest: its processes are frozen, nothing moves in their sockets, and its rocks are
// sealed. Exactly one of Resume and Abandon ends it.
type Suspension struct {
	ip     *Interposer
	apart  bool
	legs   []*parked
	lines  []*pausedLine
	dials  []*pausedDial
	sealed []*rocks.Conn
	state  *State
	stats  Stats
}

// Stats counts what a Suspension has taken.
type Stats struct {
	Sockets  int // of programs, on legs
	Drained  int // bytes that were in them
	Rocks    int
	InFlight int // bytes in flight logs
	Lost     int // ordinary connections that the supervisor carries, or that wait to be accepted: a restored group has not got them
}

// Interrupt makes all calls that the supervisor holds come again, as the
// kernel does with tasks that are being frozen. It is called while the freezer
// is taking hold: a task in a held call cannot be frozen. Not before: the freezer must have been told, which
// has every thread look for signals, or the program would see ERESTARTSYS.
func (ip *Interposer) Interrupt() { ip.waiting.interruptAll() }

// Suspend brings to rest all that the supervisor has to do with the sockets of the group's processes,
// given by their pids, which must be frozen: what is in the legs is noted, in both directions; connects under
// way are broken off; what waits to be accepted is taken back; rocks are sealed. Peers see their rocks suspended.
//
// The programs' sockets stay connected to a supervisor that is silent, so should a process run before Resume, it only
// waits. Whoever saves the processes must take them for closed (CRIU: tcp-close). With apart they are
// disconnected instead, for a saver that would save connections; then no process may run before Resume. After an
// error everything is as it was.
func (ip *Interposer) Suspend(ctx context.Context, pids []int, apart bool) (*Suspension, error) {
	s := &Suspension{ip: ip, apart: apart}
	ip.gate.close()
	ip.answers.Lock()
	//lint:ignore SA2001 calls that were taken before the freeze are answered first
	ip.answers.Unlock()
	if err := s.take(ctx, takeCensus(pids)); err != nil {
		return nil, errors.Join(fmt.Errorf("suspend connections: %w", err), s.Resume())
	}
	return s, nil
}

func (s *Suspension) take(ctx context.Context, places *census) error {
	var err error
	if s.dials, err = s.ip.pauseDials(ctx, places, s.apart); err != nil {
		return err
	}
	for _, l := range s.ip.sockets.allListeners() {
		p, err := l.pauseLine(ctx, places)
		if err != nil {
			return err
		}
		if p != nil {
			s.lines = append(s.lines, p)
		}
	}
	if err := s.park(ctx, places); err != nil {
		return err
	}
	return s.seal(ctx, places)
}

// park brings all legs to rest at once and notes what is in them.
func (s *Suspension) park(ctx context.Context, places *census) error {
	legs := s.ip.carried.all()
	for _, l := range legs {
		l.requestPark()
	}
	var errs []error
	for _, l := range legs {
		stopped, err := l.awaitPark(ctx)
		if !stopped {
			errs = append(errs, err)
			continue
		}
		p, err := s.ip.takeCargo(ctx, l, places, s.apart)
		if err != nil {
			errs = append(errs, err)
			l.unpark()
		}
		if p != nil {
			s.legs = append(s.legs, p)
		}
	}
	return errors.Join(errs...)
}

// seal seals all rocks and describes everything.
func (s *Suspension) seal(ctx context.Context, places *census) error {
	conns := s.ip.endpoint.Rocks()
	states := make([]*rocks.State, len(conns))
	errs := make([]error, len(conns))
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { states[i], errs[i] = c.Seal(ctx) })
	}
	all.Wait()
	index := make(map[*rocks.Conn]int, len(conns))
	s.state = &State{Version: StateVersion, Home: s.ip.home.v4, Port: s.ip.endpoint.ResumeAddr().Port()}
	for i, c := range conns {
		if errs[i] != nil {
			if ctx.Err() != nil {
				return errs[i]
			}
			continue // it has ended, or was never established
		}
		s.sealed = append(s.sealed, c)
		index[c] = len(s.state.Rocks)
		s.state.Rocks = append(s.state.Rocks, states[i])
		s.stats.InFlight += len(states[i].Flight)
	}
	s.stats.Rocks = len(s.sealed)
	s.describe(index, places)
	return nil
}

// State describes everything that was taken. It stays true until Resume.
func (s *Suspension) State() *State { return s.state }

// Stats counts it.
func (s *Suspension) Stats() Stats { return s.stats }

// Resume puts everything together again, while the processes are still frozen, and lets it go on. The State is
// worthless from then on. What cannot be put together is reset, and the error tells of it.
func (s *Suspension) Resume() error {
	for _, c := range s.sealed {
		c.Unseal()
	}
	var errs []error
	for _, p := range s.legs {
		errs = append(errs, s.ip.putTogether(p))
	}
	for _, p := range s.dials {
		errs = append(errs, p.again())
	}
	for _, p := range s.lines {
		p.goOn()
	}
	s.ip.gate.open()
	return errors.Join(errs...)
}

// Abandon gives everything up, without a word to peers: the processes are gone and the State's holder owns the
// rocks.
func (s *Suspension) Abandon() {
	for _, c := range s.sealed {
		c.Yield()
	}
	for _, p := range s.legs {
		p.leg.discard()
	}
	for _, p := range s.dials {
		p.drop()
	}
	for _, p := range s.lines {
		p.l.cancel() // nothing is delivered any more
		p.goOn()
	}
}
