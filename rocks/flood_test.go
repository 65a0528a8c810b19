package rocks_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// flood makes connections to an address, 500 in a second, and does something with each, until it is stopped.
func flood(t *testing.T, from *rockstest.Host, to netip.AddrPort, do func(nc net.Conn)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(2 * time.Millisecond)
			work.Go(func() {
				nc, err := from.Dial(ctx, rocks.Route{Remote: to})
				if err != nil {
					return
				}
				defer nc.Close()
				defer context.AfterFunc(ctx, func() { nc.Close() })()
				do(nc)
			})
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// TestFlood has a stranger make many more handshakes than there is room for, and not finish them. Rocks go on all the same, and
// new ones are made.
func TestFlood(t *testing.T) {
	wait := func(nc net.Conn) { _, _ = nc.Read(make([]byte, 1)) } // until it is closed
	for name, do := range map[string]func(nc net.Conn){
		"says nothing": wait,
		"says one byte": func(nc net.Conn) {
			_, _ = nc.Write([]byte{0xf2})
			wait(nc)
		},
		"speaks slowly": func(nc net.Conn) {
			for _, b := range []byte("\xf2rock\r\n\x00\x01\x04") {
				if _, err := nc.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(500 * time.Millisecond)
			}
			wait(nc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				stranger := w.net.Host("s", "10.6.6.6")
				for _, port := range []uint16{80, w.server.ResumeAddr().Port()} {
					defer flood(t, stranger, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port), do)()
				}
				time.Sleep(20 * time.Second)
				w.goesOn(client, server, time.Second)
				for range 3 {
					w.net.Path(w.a, w.b).Cut()
					w.state(client, "suspended", 5*time.Second)
					w.net.Path(w.a, w.b).Heal()
					w.goesOn(client, server, 10*time.Second)
				}
				for range 3 {
					client, server := w.dial()
					w.goesOn(client, server, time.Second)
				}
			})
		})
	}
}
