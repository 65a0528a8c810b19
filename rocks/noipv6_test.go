package rocks_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"rock/rocks"
)

// noIPv6 is a Network of a host whose kernel has no IPv6.
type noIPv6 struct{ rocks.Network }

func (n noIPv6) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	if local.Addr().Is6() {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EAFNOSUPPORT}
	}
	return n.Network.Listen(ctx, local)
}

// TestNoIPv6 makes rocks between hosts without IPv6, and lets them recover.
func TestNoIPv6(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		w.extra = append(w.extra, w.client)
		w.client = w.endpoint(noIPv6{w.a}, rocks.Config{})
		if got := w.client.ResumeAddr(); !got.Addr().Is4() {
			t.Errorf("resume listener is on %v, want an IPv4 address", got)
		}
		client, server := w.dial()
		w.net.Path(w.a, w.b).Cut()
		time.Sleep(10 * time.Second)
		w.net.Path(w.a, w.b).Heal()
		w.goesOn(client, server, 2*time.Second)
	})
}
