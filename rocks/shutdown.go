package rocks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rock/rocks/wire"
)

// farewell is how long Close waits for resets to be sent.
const farewell = time.Second

// lastWait is how long Flush waits for peers that have everything to close their side too.
const lastWait = 2 * time.Second

// Flush waits until the peers have everything that was written to rocks that their program has closed,
// or never will, and then a moment for the peers to close too, which they do at once as a rule and which spares
// them the reset of Close. Rocks that are not closed do not count. It returns an error if ctx is done before
// everything is delivered.
func (e *Endpoint) Flush(ctx context.Context) error {
	for _, c := range e.closedConns() {
		select {
		case <-c.delivered:
		case <-ctx.Done():
			return fmt.Errorf("deliver flight logs: %w", context.Cause(ctx))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lastWait)
	defer cancel()
	for _, c := range e.closedConns() {
		select {
		case <-c.gone:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// closedConns returns the rocks that their program has closed.
func (e *Endpoint) closedConns() []*Conn {
	return slices.DeleteFunc(e.conns(), func(c *Conn) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.done
	})
}

// Close ends everything: listeners, rocks, attempts. Peers of rocks that are established are told that
// they are reset, those of suspended ones are not; call Flush before to deliver what was written. It
// waits for all goroutines and is idempotent.
func (e *Endpoint) Close() error {
	for _, c := range e.conns() {
		c.abort()
	}
	e.sayFarewell()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.work.Wait()
		return nil
	}
	e.closed = true
	listeners := e.listeners
	e.listeners = nil
	e.mu.Unlock()
	e.cancel()
	err := e.resume.Close()
	for l := range listeners {
		l.ln.Close()
	}
	for _, c := range e.conns() {
		c.fail(ErrEndpointClosed)
	}
	e.work.Wait()
	return err
}

// abort resets an established rock and closes any other.
func (c *Conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		c.doneLocked(ErrEndpointClosed)
	}
	if c.phase == established {
		c.resetLocked(wire.ResetProgram)
	} else {
		c.failLocked(ErrEndpointClosed)
	}
}

// sayFarewell gives the resets a moment to be answered.
func (e *Endpoint) sayFarewell() {
	t := time.NewTimer(farewell)
	defer t.Stop()
	for _, c := range e.conns() {
		select {
		case <-c.gone:
		case <-t.C:
			return
		}
	}
}
