package rocks_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/rockstest"
)

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want one that is %v", err, want)
	}
}

// TestBlackHole loses everything silently. An idle rock is suspended within Misses heartbeats of the last sign
// of life, and not before a heartbeat less.
func TestBlackHole(t *testing.T) {
	tests := []rocks.Config{
		{},
		{Heartbeat: 100 * time.Millisecond},
		{Heartbeat: time.Minute, Misses: 2},
		{Heartbeat: time.Second, Misses: 10},
		{Heartbeat: 10 * time.Second, Misses: 4},
		{Heartbeat: 10 * time.Second, Misses: 1},
	}
	for _, cfg := range tests {
		t.Run(fmt.Sprintf("%v x %d", cfg.Heartbeat, cfg.Misses), func(t *testing.T) {
			heartbeat, misses := cfg.Heartbeat, cfg.Misses
			if heartbeat == 0 {
				heartbeat = rocks.DefaultHeartbeat
			}
			if misses == 0 {
				misses = rocks.DefaultMisses
			}
			bound := time.Duration(misses) * heartbeat
			for phase := range 7 { // of the heartbeat
				inWorld(t, plan{config: cfg}, func(t *testing.T, w *world) {
					client, server := w.dial()
					time.Sleep(20*heartbeat + time.Duration(phase)*heartbeat/7)
					for _, c := range []*rocks.Conn{client, server} {
						if i := c.Info(); i.State != "established" || i.Generation != 1 {
							t.Fatalf("idle rock: %+v", i)
						}
					}
					w.net.Path(w.a, w.b).Cut()
					start := time.Now()
					w.state(client, "suspended", bound)
					w.state(server, "suspended", bound-time.Since(start)+time.Millisecond)
					if took := time.Since(start); took < bound-heartbeat-heartbeat/2 {
						t.Errorf("both suspended after %v, too early for %v", took, bound)
					}
				})
			}
		})
	}
}

// TestBadConfig refuses what could not work.
func TestBadConfig(t *testing.T) {
	n := rockstest.New(rockstest.Config{})
	defer n.Close()
	h := n.Host("a", "10.0.0.1")
	for name, cfg := range map[string]rocks.Config{
		"no network":        {},
		"negative misses":   {Network: h, Misses: -1},
		"negative":          {Network: h, Heartbeat: -1},
		"address of others": {Network: h, ResumeAddr: addrPort("10.0.0.99", 1)},
	} {
		if e, err := rocks.NewEndpoint(cfg); err == nil {
			e.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNoFalseAlarm lets a rock idle, and work, over slow paths.
func TestNoFalseAlarm(t *testing.T) {
	for _, latency := range []time.Duration{time.Microsecond, 300 * time.Millisecond, 600 * time.Millisecond} {
		inWorld(t, plan{}, func(t *testing.T, w *world) {
			w.net.Path(w.a, w.b).SetLatency(latency, latency/10)
			client, server := w.dial()
			time.Sleep(6 * time.Hour)
			if err := exchangeTexts(client, server, 1<<20, 0); err != nil {
				t.Error(err)
			}
			for _, c := range []*rocks.Conn{client, server} {
				if g := c.Info().Generation; g != 1 {
					t.Errorf("latency %v: %d links were made", latency, g)
				}
			}
		})
	}
}

// TestRecovery measures from the moment when a path is back until data flows.
func TestRecovery(t *testing.T) {
	for _, outage := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Hour} {
		t.Run(outage.String(), func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				w.a.SetUp("eth0", false)
				time.Sleep(outage)
				w.a.SetUp("eth0", true)
				w.goesOn(client, server, 300*time.Millisecond)
			})
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				w.net.Path(w.a, w.b).Cut()
				time.Sleep(outage)
				w.net.Path(w.a, w.b).Heal()
				limit := 2 * time.Second
				if outage > 10*time.Minute {
					limit = 5 * time.Second // a few seconds, after a long time
				}
				w.goesOn(client, server, limit)
			})
		})
	}
}

// TestLocalEventIsSeenAtOnce takes the interface of an idle rock down.
func TestLocalEventIsSeenAtOnce(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, _ := w.dial()
		time.Sleep(time.Minute)
		w.a.SetUp("eth0", false)
		if took := w.state(client, "suspended", time.Second); took > 20*time.Millisecond {
			t.Errorf("suspended %v after the interface went down", took)
		}
	})
}

// TestResetIsSeenAtOnce lets a middlebox reset the link.
func TestResetIsSeenAtOnce(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.net.Path(w.a, w.b).Reset()
		w.goesOn(client, server, 300*time.Millisecond)
	})
}

// TestTimeLimit leaves a rock suspended for as long as is allowed, and longer.
func TestTimeLimit(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Minute} {
		want := limit
		if limit == 0 {
			want = 72 * time.Hour
		}
		inWorld(t, plan{config: rocks.Config{Timeout: limit}}, func(t *testing.T, w *world) {
			client, server := w.dial()
			io.WriteString(client, "unheard")
			io.WriteString(server, "unread")
			time.Sleep(time.Second)
			w.net.Path(w.a, w.b).Cut()
			w.state(client, "suspended", 5*time.Second)
			since := client.Info().Since
			time.Sleep(time.Until(since.Add(want - time.Second)))
			for _, c := range []*rocks.Conn{client, server} {
				if s := c.Info().State; s != "suspended" {
					t.Fatalf("%s a second before the time limit", s)
				}
			}
			w.state(client, "closed", 2*time.Second)
			if took := time.Since(since); took < want || took > want+10*time.Millisecond {
				t.Errorf("closed after %v, want %v", took, want)
			}
			w.state(server, "closed", 5*time.Second)

			// What had come can be read; then comes the error, at both ends.
			buf := make([]byte, 16)
			n, err := client.Read(buf)
			if string(buf[:n]) != "unread" || err != nil {
				t.Errorf("read %q, error %v", buf[:n], err)
			}
			_, err = client.Read(buf)
			wantIs(t, err, rocks.ErrTimeLimit)
			_, err = server.Write(buf)
			wantIs(t, err, rocks.ErrTimeLimit)

			// Nothing of the rock is left to disturb anybody.
			w.net.Path(w.a, w.b).Heal()
			before := len(w.net.Wires())
			time.Sleep(time.Hour)
			if n := len(w.net.Wires()); n != before {
				t.Errorf("%d connections were made after the end", n-before)
			}
		})
	}
}

// TestTimeLimitCountsAnew suspends a rock again and again for less than the limit.
func TestTimeLimitCountsAnew(t *testing.T) {
	inWorld(t, plan{config: rocks.Config{Timeout: time.Minute}}, func(t *testing.T, w *world) {
		client, server := w.dial()
		for range 5 {
			w.net.Path(w.a, w.b).Cut()
			time.Sleep(50 * time.Second)
			w.net.Path(w.a, w.b).Heal()
			w.goesOn(client, server, 5*time.Second)
		}
	})
}

// TestNeverSplits breaks links over and over so that both ends dial at once, on paths of different
// delay. In the end there is one link, and both ends agree on it.
func TestNeverSplits(t *testing.T) {
	for seed := range uint64(60) {
		inWorld(t, plan{net: rockstest.Config{Seed: seed}}, func(t *testing.T, w *world) {
			w.net.Path(w.a, w.b).SetLatency(time.Duration(1+seed)*time.Millisecond, time.Duration(seed%7)*time.Millisecond)
			client, server := w.dial()
			quit, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- keepTalking(client, server, quit) }()
			for i := range 40 {
				time.Sleep(time.Duration(1+(uint64(i)*37+seed*11)%300) * time.Millisecond)
				for _, wire := range w.net.Wires() {
					if wire.Alive() && wire.MSS == detect.SafeMSS {
						wire.Break(rockstest.Reset)
					}
				}
			}
			close(quit)
			if err := <-done; err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
			c, s := client.Info(), server.Info()
			if c.State != "established" || s.State != "established" || c.Generation != s.Generation ||
				c.LinkLocal != s.LinkRemote || c.LinkRemote != s.LinkLocal {
				t.Errorf("seed %d: the ends disagree:\n%+v\n%+v", seed, c, s)
			}
			alive := 0
			for _, wire := range w.net.Wires() {
				if wire.Alive() {
					alive++
				}
			}
			if alive != 1 {
				t.Errorf("seed %d: %d connections are open", seed, alive)
			}
		})
	}
}

// keepTalking sends pieces both ways until quit is closed.
func keepTalking(client, server *rocks.Conn, quit <-chan struct{}) error {
	for n := 1; ; n = n*3%20_011 + 1 {
		select {
		case <-quit:
			return nil
		default:
		}
		if err := exchangeHalf(client, server, n); err != nil {
			return err
		}
		if err := exchangeHalf(server, client, n); err != nil {
			return err
		}
	}
}
