package rocks

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// Ask asks the peer of a rock whether it would go on with the State, and changes nothing at either end:
// it begins to resume the rock and leaves when the peer has proven itself and said what it has.
// It tries every address at once, and blocks until one answers or all have failed, at the latest until ctx is done.
//
// The error is nil if the peer would go on, and Is ErrStaleEpoch or ErrRolledBack if it would not, ever.
// Any other error means that the peer was not found now; Resume goes on looking for it.
func (e *Endpoint) Ask(ctx context.Context, st *State) error {
	c, err := e.fromState(st)
	if err != nil {
		return fmt.Errorf("ask peer: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := c.candidatesLocked() // nobody else knows c yet
	answers := make(chan error, len(list))
	var all sync.WaitGroup
	defer all.Wait()
	for _, a := range list {
		all.Go(func() {
			nc, _, err := e.reach(ctx, a)
			if err == nil {
				x := newExchange(ctx, nc, nc, e.cfg.HandshakeTimeout)
				err = c.ask(x)
				x.abandon()
			}
			answers <- err
		})
	}
	err = errNoAddress
	for range list {
		err = <-answers
		if err == nil || errors.Is(err, ErrStaleEpoch) || errors.Is(err, ErrRolledBack) {
			break
		}
	}
	cancel()
	if err != nil {
		return fmt.Errorf("ask peer of rock %v: %w", c.id, err)
	}
	return nil
}

var errNoAddress = errors.New("no address of it is known")

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
