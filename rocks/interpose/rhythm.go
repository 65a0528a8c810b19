package interpose

import (
	"context"
	"sync/atomic"
	"time"
)

// rhythm is when to look for what nobody reports: often while the group does something, and more and more seldom while it
// does not, since each look costs an idle machine a wake-up.
type rhythm struct {
	shortest, longest time.Duration

	wait  time.Duration // of the one goroutine that looks
	slow  atomic.Bool   // it waits longer than the shortest time
	stirs chan struct{} // gets a value when it should not
}

func newRhythm(shortest, longest time.Duration) *rhythm {
	return &rhythm{shortest: shortest, longest: longest, wait: shortest, stirs: make(chan struct{}, 1)}
}

// stir says that something happens. Any number of goroutines may call it, and often.
func (r *rhythm) stir() {
	if !r.slow.Load() || !r.slow.CompareAndSwap(true, false) {
		return
	}
	select {
	case r.stirs <- struct{}{}:
	default:
	}
}

// next waits until it is time to look. It returns false when ctx is done.
func (r *rhythm) next(ctx context.Context) bool {
	for {
		if r.wait > r.shortest {
			r.slow.Store(true)
		}
		select {
		case <-time.After(r.wait):
			r.wait = min(2*r.wait, r.longest)
			return true
		case <-r.stirs:
			r.wait = r.shortest
		case <-ctx.Done():
			return false
		}
	}
}
