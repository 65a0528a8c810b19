package rocks_test

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"rock/rocks"
)

// cautious is a Network that can be told that no packet goes anywhere, and counts what is dialled.
type cautious struct {
	rocks.Network
	nowhere atomic.Bool
	dials   atomic.Int64
}

func (n *cautious) CanReach(netip.Addr) bool { return !n.nowhere.Load() }

func (n *cautious) Dial(ctx context.Context, r rocks.Route) (net.Conn, error) {
	n.dials.Add(1)
	return n.Network.Dial(ctx, r)
}

// TestNoDialWithoutWay cuts the path of a rock whose host sees that there is no way. It must not
// dial: a SYN that waits for a next hop would hold up later ones. Only now and then it tries all
// the same, in case the host is mistaken.
func TestNoDialWithoutWay(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		n := &cautious{Network: w.a}
		plain := w.client
		w.extra = append(w.extra, plain)
		w.client = w.endpoint(n, rocks.Config{})
		client, server := w.dial()
		n.nowhere.Store(true)
		w.net.Path(w.a, w.b).Cut()
		w.state(client, "suspended", 4*time.Second)
		before := n.dials.Load()
		time.Sleep(55 * time.Second)
		if got := n.dials.Load() - before; got != 0 {
			t.Errorf("dialled %d times without a way", got)
		}
		time.Sleep(10 * time.Minute)
		if got := n.dials.Load() - before; got == 0 || got > 11*10 {
			t.Errorf("dialled %d times in ten minutes, want a round a minute", got)
		}
		n.nowhere.Store(false)
		w.net.Path(w.a, w.b).Heal()
		w.a.Touch()
		w.goesOn(client, server, 300*time.Millisecond)
	})
}
