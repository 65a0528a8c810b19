package rocks_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"rock/rocks"
)

// TestNameMoves dials a server by name. It gets another address while neither end has a network, and so does its name.
func TestNameMoves(t *testing.T) {
	at := netip.MustParseAddr("10.0.0.2")
	lookups := 0
	cfg := rocks.Config{Lookup: func(_ context.Context, network, host string) ([]netip.Addr, error) {
		lookups++
		if network != "ip" || host != "server.example" {
			t.Errorf("looked up %s %s", network, host)
		}
		return []netip.Addr{at}, nil
	}}
	inWorld(t, plan{config: cfg}, func(t *testing.T, w *world) {
		client, err := w.client.Dial(t.Context(), "tcp", "server.example:80")
		if err != nil {
			t.Fatal(err)
		}
		nc, err := w.ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server := nc.(*rocks.Conn)
		w.goesOn(client, server, time.Second)
		(&meeting{world: w}).bothMove(client, server)
		time.Sleep(time.Minute)
		if s := client.Info().State; s != "suspended" {
			t.Fatalf("the rock is %s though nobody knows where the server is", s)
		}
		at = netip.MustParseAddr("10.0.7.2")
		w.goesOn(client, server, 15*time.Second)
		before := lookups
		time.Sleep(time.Hour)
		if lookups != before {
			t.Errorf("%d lookups in an hour with a link", lookups-before)
		}
	})
}
