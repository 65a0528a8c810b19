package rocks_test

import (
	"sync/atomic"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/rockstest"
)

const manyIdle = 40

// many makes some idle rocks, whose links are given to onLink as they are made.
func many(t *testing.T, onLink func(n int, wire *rockstest.Wire), f func(w *world, clients, servers []*rocks.Conn)) {
	t.Helper()
	var links atomic.Int32
	onConnect := func(wire *rockstest.Wire) {
		if wire.MSS == detect.SafeMSS {
			onLink(int(links.Add(1))-1, wire)
		}
	}
	inWorld(t, plan{net: rockstest.Config{OnConnect: onConnect}}, func(t *testing.T, w *world) {
		var clients, servers []*rocks.Conn
		for range manyIdle {
			c, s := w.dial()
			clients, servers = append(clients, c), append(servers, s)
		}
		f(w, clients, servers)
	})
}

// Many idle rocks between the same two ends do not ask for signs of life each by itself.
func TestPathSharesHeartbeats(t *testing.T) {
	wires := make([]*rockstest.Wire, manyIdle)
	many(t, func(n int, wire *rockstest.Wire) { wires[n] = wire }, func(w *world, clients, servers []*rocks.Conn) {
		bytes := func() (sum int64) {
			for _, wire := range wires {
				sum += wire.Bytes(rockstest.ToServer) + wire.Bytes(rockstest.ToClient)
			}
			return sum
		}
		time.Sleep(5 * time.Second)
		before := bytes()
		const beats = 60
		time.Sleep(beats * rocks.DefaultHeartbeat)
		ping := int64(2 * (4 + 8)) // there and back: header and token
		alone := int64(beats * manyIdle * ping)
		got := bytes() - before
		t.Logf("%d bytes, at %d if each asked for itself", got, alone)
		if got == 0 || got > alone/4 {
			t.Errorf("%d bytes of heartbeats, want less than a quarter of %d", got, alone)
		}
		for i, c := range append(clients, servers...) {
			if info := c.Info(); info.State != "established" || info.Generation != 1 {
				t.Errorf("rock %d: %+v", i, info)
			}
		}
	})
}

// When their way fails all of them notice as soon as one would.
func TestPathFailureIsNoticedByAll(t *testing.T) {
	for phase := range 10 {
		many(t, func(int, *rockstest.Wire) {}, func(w *world, clients, servers []*rocks.Conn) {
			time.Sleep(20*time.Second + time.Duration(phase)*rocks.DefaultHeartbeat/10)
			w.net.Path(w.a, w.b).Cut()
			start := time.Now()
			for _, c := range append(clients, servers...) {
				bound := rocks.DefaultMisses*rocks.DefaultHeartbeat - time.Since(start)
				w.state(c, "suspended", max(bound, time.Millisecond))
			}
		})
	}
}

// A link that alone is forgotten on the way is found out after some heartbeats if it is idle, and as soon as ever if something is
// to be sent over it. The others go on.
func TestPathSingleLinkFails(t *testing.T) {
	for name, write := range map[string]bool{"idle": false, "written to": true} {
		t.Run(name, func(t *testing.T) {
			const broken = 7
			var victim *rockstest.Wire
			many(t, func(n int, wire *rockstest.Wire) {
				if n == broken {
					victim = wire
				}
			}, func(w *world, clients, servers []*rocks.Conn) {
				time.Sleep(25300 * time.Millisecond)
				victim.CutAfter(rockstest.ToServer, victim.Bytes(rockstest.ToServer), rockstest.Silence)
				start := time.Now()
				bound := 14 * rocks.DefaultHeartbeat
				if write {
					if _, err := clients[broken].Write([]byte("hello")); err != nil {
						t.Fatal(err)
					}
					bound = rocks.DefaultMisses * rocks.DefaultHeartbeat
				}
				for clients[broken].Info().Generation < 2 {
					if time.Since(start) > bound+time.Second { // and a new link
						t.Fatalf("after %v the link is taken for alive", time.Since(start))
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Logf("another link after %v", time.Since(start))
				for i, c := range clients {
					if info := c.Info(); i != broken && info.Generation != 1 {
						t.Errorf("rock %d: %+v", i, info)
					}
				}
			})
		})
	}
}
