package detect

import (
	"net/netip"
	"testing"
)

func TestPathMSSErrors(t *testing.T) {
	if got, err := PathMSS(netip.Addr{}); err == nil {
		t.Errorf("PathMSS of no address = %d, want an error", got)
	}
	// A namespace of its own has no routes.
	p := &path{client: newNamespace(t)}
	inside(t, p.client, func() error {
		for _, ip := range []string{server4, server6, "::ffff:" + server4} {
			if got, err := PathMSS(netip.MustParseAddr(ip)); err == nil {
				t.Errorf("PathMSS(%s) without a route = %d, want an error", ip, got)
			}
		}
		return nil
	})
}
