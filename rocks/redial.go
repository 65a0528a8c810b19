package rocks

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Timing of the search for a suspended rock's peer.
const (
	firstPause  = 60 * time.Millisecond // after the first round; then twice as much each time
	patience    = 10 * time.Minute      // after that the pause may grow further
	freeFlaps   = 5                     // links that may be lost in a row, each at once, before the first round waits
	maxAttempts = 8                     // at once to one address; the oldest makes room
)

// redialer looks for the peer of a suspended rock. Every round dials all candidates, whether or not
// attempts of earlier rounds still hang: a lost SYN is repeated by the kernel ever more slowly, so
// a new one is faster. The first success cancels the rest.
type redialer struct {
	cancel context.CancelFunc // not nil while it runs; guarded by Conn.mu
	retry  chan struct{}      // asks for a round now
}

// startLocked starts the search. It ends by itself after limit, if that is not 0.
func (r *redialer) startLocked(c *Conn, limit time.Duration) {
	if !c.e.hold() {
		return
	}
	select {
	case <-r.retry:
	default:
	}
	ctx, cancel := context.WithCancel(c.e.ctx)
	if limit > 0 {
		ctx, cancel = context.WithTimeout(c.e.ctx, limit)
	}
	r.cancel = cancel
	go c.search(ctx)
}

// stopLocked ends the search; attempts under way are cancelled.
func (r *redialer) stopLocked() {
	if r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
}

// now asks for a round at once, and quick ones after it.
func (r *redialer) now() {
	select {
	case r.retry <- struct{}{}:
	default:
	}
}

// search is the goroutine that makes the rounds.
func (c *Conn) search(ctx context.Context) {
	defer c.e.release()
	defer c.stopSearch(ctx)
	s := searchParty{c: c, under: make(map[netip.AddrPort][]underway), blind: time.Now(), look: time.Now().Add(lookAfter)}
	defer s.wg.Wait()
	began, pause := time.Now(), firstPause
	c.calm(ctx)
	for {
		s.round(ctx)
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			pause = c.e.nextPause(pause, time.Since(began))
		case <-c.redial.retry:
			t.Stop()
			pause = firstPause
			s.giveUpStale()
		}
	}
}

// stopSearch frees what belongs to a search that ends by itself.
func (c *Conn) stopSearch(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if context.Cause(ctx) == context.DeadlineExceeded {
		c.redial.stopLocked()
	}
}

// calm waits before the first round if link after link was lost soon and carried nothing, so that two ends that
// can not agree do not keep each other busy.
func (c *Conn) calm(ctx context.Context) {
	c.mu.Lock()
	n := c.flaps - freeFlaps
	c.mu.Unlock()
	if n <= 0 {
		return
	}
	t := time.NewTimer(min(firstPause<<min(n, 10), c.e.cfg.MaxBackoff/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-c.redial.retry:
	}
}

// nextPause returns the pause after one of p, in a search that has lasted for the time given. The pause
// stays below MaxBackoff by as much as the handshake may take.
func (e *Endpoint) nextPause(p, lasted time.Duration) time.Duration {
	limit := e.cfg.MaxBackoff / 2
	if lasted > patience {
		limit = e.cfg.MaxBackoff * 5 / 2
	}
	return max(min(2*p, limit), time.Millisecond)
}

// searchParty keeps count of the attempts of one search.
type searchParty struct {
	c     *Conn
	wg    sync.WaitGroup
	under map[netip.AddrPort][]underway // oldest first
	blind time.Time                     // when candidates out of reach were last tried all the same
	look  time.Time                     // when the peer's name is to be looked up again
}

// underway is an attempt that may still be going on.
type underway struct {
	began  time.Time
	cancel context.CancelFunc
}

// Timing of attempts that look hopeless.
const (
	// staleAttempt is how old an attempt is that is given up when the network has changed: its
	// packets went the old way, and the kernel repeats them ever more slowly.
	staleAttempt = 500 * time.Millisecond
	// blindEvery is how often candidates are tried that this host sees no way to, in case it
	// is mistaken. Not more often: a packet that waits for the link-layer address of a
	// next hop keeps later ones waiting for up to a second after the link has come back.
	blindEvery = time.Minute
)

// giveUpStale cancels the attempts that began before the network changed.
func (s *searchParty) giveUpStale() {
	for a, list := range s.under {
		var young []underway
		for _, u := range list {
			if time.Since(u.began) < staleAttempt {
				young = append(young, u)
				continue
			}
			u.cancel()
		}
		s.under[a] = young
	}
}

// round starts an attempt to each candidate that this host sees a way to.
func (s *searchParty) round(ctx context.Context) {
	s.c.mu.Lock()
	list := s.c.candidatesLocked()
	s.c.mu.Unlock()
	if now := time.Now(); now.After(s.look) {
		s.look = now.Add(lookEvery)
		s.wg.Go(func() { s.c.lookUp(ctx) })
	}
	blind := time.Since(s.blind) >= blindEvery
	if blind {
		s.blind = time.Now()
	}
	for _, a := range list {
		if !blind && !s.c.e.cfg.Network.CanReach(a.Addr()) {
			continue
		}
		select {
		case s.c.e.attempts <- struct{}{}:
		default:
			return // too many in the whole Endpoint; the next round comes soon
		}
		s.start(ctx, a)
	}
}

func (s *searchParty) start(ctx context.Context, a netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, s.c.e.cfg.HandshakeTimeout)
	if old := s.under[a]; len(old) >= maxAttempts {
		old[0].cancel()
		s.under[a] = slices.Clone(old[1:])
	}
	s.under[a] = append(s.under[a], underway{time.Now(), cancel})
	s.wg.Go(func() {
		defer func() { <-s.c.e.attempts }()
		defer cancel()
		s.c.attempt(ctx, a)
	})
}

// attempt tries once to resume over address a.
func (c *Conn) attempt(ctx context.Context, a netip.AddrPort) {
	nc, _, err := c.e.reach(ctx, a)
	if err == nil {
		err = c.resumeOn(ctx, nc)
	}
	if err == nil || ctx.Err() == context.Canceled {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == suspended {
		c.lastErr = err
	}
	c.logger.Debug("attempt to resume failed", "remote", a, "err", err)
}
