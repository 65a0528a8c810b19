package rendezvous

import (
	"context"
	"time"
)

// pace lets through so much in a second, and at once as much as that.
type pace struct {
	rate float64
	room float64
	last time.Time
}

func newPace(rate int) *pace {
	return &pace{rate: float64(rate), room: float64(rate), last: time.Now()}
}

// wait waits until n may pass, or ctx is done.
func (p *pace) wait(ctx context.Context, n int) {
	now := time.Now()
	p.room = min(p.room+now.Sub(p.last).Seconds()*p.rate, p.rate)
	p.last = now
	p.room -= float64(n)
	if p.room >= 0 {
		return
	}
	t := time.NewTimer(time.Duration(-p.room / p.rate * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
