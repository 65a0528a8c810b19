package rocks

import (
	"context"
	"errors"
	"time"

	"rock/rocks/rendezvous"
	"rock/rocks/wire"
)

// join has the server connect a rock with its peer, if they cannot find each other for long: both wait there at the same time.
func (m *meeting) join(c *Conn, d *date) {
	c.mu.Lock()
	lonely := time.Since(c.since)
	c.mu.Unlock()
	if d.joining != nil || lonely < joinAfter {
		return
	}
	select {
	case m.joins <- struct{}{}:
	default:
		return
	}
	ctx, cancel := context.WithCancel(m.e.ctx)
	d.joining = cancel
	m.e.work.Go(func() {
		defer func() { <-m.joins }()
		defer cancel()
		for ctx.Err() == nil {
			err := m.e.joinOnce(ctx, c, d.own, d.other)
			if err != nil && ctx.Err() == nil {
				c.logger.Debug("not joined at the rendezvous", "err", err)
			}
			if !errors.Is(err, rendezvous.ErrAlone) {
				sleep(ctx, meetEvery) // and if it is resumed, that is the end of it
			}
		}
	})
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// joinOnce waits for the peer once. The client resumes, as if it had dialled the server.
func (e *Endpoint) joinOnce(ctx context.Context, c *Conn, own rendezvous.Identity, other rendezvous.Name) error {
	nc, err := e.cfg.Rendezvous.Join(ctx, own, other)
	if err != nil {
		return err
	}
	if c.role == wire.RoleClient {
		return c.resumeOn(ctx, nc)
	}
	_, err = e.accept(ctx, nc, nc)
	return err
}
