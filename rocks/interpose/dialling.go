package interpose

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// dialling are the dials that are under way or paused.
type dialling struct {
	mu  sync.Mutex
	set map[*dial]struct{}
}

func (s *dialling) add(d *dial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[*dial]struct{}{}
	}
	s.set[d] = struct{}{}
}

func (s *dialling) remove(d *dial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, d)
}

func (s *dialling) all() []*dial {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*dial, 0, len(s.set))
	for d := range s.set {
		all = append(all, d)
	}
	return all
}

// pausedDial is a dial that was broken off while the group is suspended.
type pausedDial struct {
	dial  *dial
	place Place
	held  bool // the program sees its socket connecting: it polls, or may do so
}

// pauseDials breaks all dials off. A socket that the program may look at stays connecting, or with apart becomes
// unconnected. A dial that comes to its end meanwhile is left alone.
func (ip *Interposer) pauseDials(ctx context.Context, places *census, apart bool) ([]*pausedDial, error) {
	all := ip.dialling.all()
	for _, d := range all {
		d.mu.Lock()
		d.pausing = true
		d.cancel()
		d.mu.Unlock()
	}
	var list []*pausedDial
	for _, d := range all {
		select {
		case <-d.ended:
		case <-ctx.Done():
			return list, fmt.Errorf("break off the connect to %v: %w", d.remote, ctx.Err())
		}
		if d.paused {
			p := &pausedDial{dial: d, place: places.places[d.s.cookie]}
			list = append(list, p)
			p.rest(apart)
		}
	}
	return list, nil
}

// rest takes the program's socket out of what the dial has done to it.
func (p *pausedDial) rest(apart bool) {
	d := p.dial
	p.held = d.hold != nil
	if p.held && !apart {
		return
	}
	d.unkeep()
	if p.held {
		d.hold.undo()
		d.hold = nil
	}
	_ = disconnect(d.program) // fails if it is so already
	d.mark(0)
	if !d.ip.sockets.wasBound(d.s.cookie) {
		forgetPort(d.program, d.s.family)
	}
}

// again begins a paused dial anew.
func (p *pausedDial) again() error {
	d := p.dial
	d.ip.dialling.remove(d)
	if p.held && d.hold == nil {
		h, err := newHold(d.ip.home, d.program, d.s.family)
		if err != nil {
			d.s.settle(netip.AddrPort{}, netip.AddrPort{}, unix.ECONNABORTED)
			unix.Close(d.program)
			return fmt.Errorf("go on with the connect to %v: %w", d.remote, err)
		}
		d.hold = h
	}
	d.begin(d.work)
	return nil
}

// drop gives a paused dial up: its process is gone.
func (p *pausedDial) drop() {
	d := p.dial
	d.ip.dialling.remove(d)
	d.unkeep()
	if d.hold != nil {
		d.hold.fail()
		return
	}
	unix.Close(d.program)
}
