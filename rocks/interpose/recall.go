package interpose

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/tracee"
)

// rest is the usher's part of a pause: it waits until it may go on. Meanwhile head belongs to whoever
// paused it.
func (l *listener) rest(resume <-chan struct{}) {
	select {
	case <-resume:
	case <-l.ctx.Done():
	}
}

// pausedLine is a listener that delivers nothing while the group is suspended. What waited for the program to
// accept it is back in the line: the program's own listening socket has nothing queued.
type pausedLine struct {
	l       *listener
	place   Place
	resume  chan struct{}
	options []Option
}

// pauseLine stops the usher and empties the accept queue of the private listener. It returns nil if the
// program has closed the listener.
func (l *listener) pauseLine(ctx context.Context, places *census) (*pausedLine, error) {
	p := &pausedLine{l: l, place: places.places[l.privateCookie], resume: make(chan struct{})}
	if !p.place.valid() {
		return nil, nil // the sweep finds out that it is closed
	}
	select {
	case l.pauses <- p.resume:
	case <-l.ctx.Done():
		return nil, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("pause listener %v: %w", l.publicAddr, ctx.Err())
	}
	if err := p.recall(ctx); err != nil {
		close(p.resume)
		return nil, fmt.Errorf("pause listener %v: %w", l.publicAddr, err)
	}
	return p, nil
}

// recall takes what was rung for and not accepted back into the line, in order.
func (p *pausedLine) recall(ctx context.Context) error {
	l := p.l
	dup, err := tracee.GetFD(p.place.PID, p.place.FD)
	if err != nil {
		return err
	}
	defer unix.Close(dup)
	p.options = readOptions(dup, l.family)
	var back []*delivery
	for {
		l.mu.Lock()
		d, arriving := l.takeLocked(dup), len(l.waiting) > 0
		l.mu.Unlock()
		switch {
		case d != nil:
			back = append(back, d)
			continue
		case !arriving:
			l.head = append(back, l.head...)
			return l.ip.unring(ctx, back)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		time.Sleep(100 * time.Microsecond) // the doorbell is on its way through loopback
	}
}

// unring takes the legs of recalled rocks apart: accepting will make new ones.
func (ip *Interposer) unring(ctx context.Context, back []*delivery) error {
	for _, d := range back {
		if d.rock == nil {
			continue
		}
		l := ip.carried.of(d.sock)
		if l != nil {
			l.requestPark()
			stopped, err := l.awaitPark(ctx)
			if err != nil {
				return err
			}
			if stopped {
				p := &parked{leg: l, rock: d.rock, apart: true}
				p.keepParked(ip, d.fd)
				if err := p.drain(ip, d.fd); err != nil {
					return err
				}
				d.keepRecalled(ip, l)
				d.cargo = l.cargo
				l.discard()
				<-l.over
			}
		}
		unix.Close(d.fd)
		ip.sockets.forget(d.sock)
		d.fd, d.sock = -1, nil
		d.onLeg.Store(false)
	}
	return nil
}

// goOn lets the listener deliver again.
func (p *pausedLine) goOn() { close(p.resume) }
