package rocks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

const (
	askHops   = 4   // how often in a row Ask follows a peer that has moved
	askPlaces = 128 // how many addresses it tries
)

// Ask asks the peer of a rock whether it would go on with the State, and changes nothing at either end:
// it begins to resume the rock and leaves when the peer has proven itself and said what it has.
// It tries every address at once, and those that the peer has gone to when it learns of them. It blocks until one answers or
// all have failed, at the latest until ctx is done.
//
// The error is nil if the peer would go on, and Is ErrStaleEpoch or ErrRolledBack if it would not, ever.
// Any other error means that the peer was not found now; Resume goes on looking for it.
func (e *Endpoint) Ask(ctx context.Context, st *State) error {
	c, err := e.fromState(st)
	if err != nil {
		return fmt.Errorf("ask peer: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	q := inquiry{c: c, asked: make(map[netip.AddrPort]bool), answers: make(chan answer)}
	q.start(ctx, c.candidatesLocked(), 0) // nobody else knows c yet
	err = q.collect(ctx)
	cancel()
	for ; q.pending > 0; q.pending-- {
		<-q.answers
	}
	if err != nil {
		return fmt.Errorf("ask peer of rock %v: %w", c.id, err)
	}
	return nil
}

// inquiry asks at many places at once. It is used by one goroutine.
type inquiry struct {
	c       *Conn
	asked   map[netip.AddrPort]bool
	pending int
	answers chan answer
}

// answer is what came of one place.
type answer struct {
	err  error
	hops int // that led to it
}

// start asks at places that were not asked yet.
func (q *inquiry) start(ctx context.Context, list []netip.AddrPort, hops int) {
	for _, a := range list {
		if !dialable(a) || q.asked[a] || len(q.asked) >= askPlaces {
			continue
		}
		q.asked[a] = true
		q.pending++
		go func() { q.answers <- answer{q.c.askAt(ctx, a), hops} }()
	}
}

// collect returns the first answer that decides, or the last.
func (q *inquiry) collect(ctx context.Context) error {
	err := errNoAddress
	for q.pending > 0 {
		a := <-q.answers
		q.pending--
		err = a.err
		if err == nil || errors.Is(err, ErrStaleEpoch) || errors.Is(err, ErrRolledBack) {
			break
		}
		var r *refusal
		if errors.As(err, &r) && r.proven && r.Reason == wire.ReasonMoved && a.hops < askHops {
			q.start(ctx, r.Addresses.AddrPorts(), a.hops+1)
		}
	}
	return err
}

var errNoAddress = errors.New("no address of it is known")

// askAt asks at one address.
func (c *Conn) askAt(ctx context.Context, a netip.AddrPort) error {
	nc, _, err := c.e.reach(ctx, a)
	if err != nil {
		return err
	}
	x := newExchange(ctx, nc, nc, c.e.cfg.HandshakeTimeout)
	defer x.abandon()
	return c.ask(x)
}

// ask says resume and looks at the answer.
func (c *Conn) ask(x *exchange) error {
	x.as(c.role, &c.keys)
	m := c.resumeMessage()
	if err := x.send(m); err != nil {
		return err
	}
	ch, err := readSealed[*wire.Challenge](x, auth.LabelChallenge)
	if err != nil {
		var r *refusal
		if errors.As(err, &r) && !r.proven {
			return fmt.Errorf("%w: %v", errUnproven, err) // anybody could have said that
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judgeLocked(proven{ch.Epoch, ch.Incarnation, ch.PeerEpoch, ch.Received, m.Generation})
}

var errUnproven = errors.New("refused by somebody who has not proven to be the peer")
