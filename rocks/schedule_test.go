package rocks_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"net"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// schedules is how many random courses of events each kind of trouble is given, unless ROCK_TEST_SCHEDULES says
// otherwise: scripts/conformance --chaos has thousands.
const schedules = 120

func schedulesWanted(t *testing.T) uint64 {
	text, is := os.LookupEnv("ROCK_TEST_SCHEDULES")
	if !is {
		return schedules
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		t.Fatalf("ROCK_TEST_SCHEDULES=%q is no number of schedules", text)
	}
	return n
}

// TestRandomSchedules sends a text each way while a schedule, chosen by the seed, cuts, heals, resets,
// delays and moves. Whatever happens every byte arrives once and in order.
func TestRandomSchedules(t *testing.T) {
	tests := map[string]func(w *world, rng *rand.Rand){
		"cut and heal": func(w *world, rng *rand.Rand) {
			p := w.net.Path(w.a, w.b)
			p.Cut()
			pause(rng, 6*time.Second)
			p.Heal()
		},
		"cut one way": func(w *world, rng *rand.Rand) {
			p := w.net.Path(w.a, w.b)
			p.CutFrom([]*rockstest.Host{w.a, w.b}[rng.IntN(2)])
			pause(rng, 6*time.Second)
			p.Heal()
		},
		"reset": func(w *world, rng *rand.Rand) {
			for range 1 + rng.IntN(4) {
				w.net.Path(w.a, w.b).Reset()
				pause(rng, 100*time.Millisecond)
			}
		},
		"break some connections": func(w *world, rng *rand.Rand) {
			for _, wire := range w.net.Wires() {
				if wire.Alive() && rng.IntN(2) == 0 {
					wire.Break(rockstest.Cut(rng.IntN(2)))
				}
			}
		},
		"delay": func(w *world, rng *rand.Rand) {
			p := w.net.Path(w.a, w.b)
			p.SetLatency(time.Duration(rng.IntN(300))*time.Millisecond, time.Duration(rng.IntN(100))*time.Millisecond)
			p.SetBandwidth([]int{0, 20_000, 1_000_000}[rng.IntN(3)])
		},
		"interface down and up": func(w *world, rng *rand.Rand) {
			h := []*rockstest.Host{w.a, w.b}[rng.IntN(2)]
			h.SetUp("eth0", false)
			pause(rng, 3*time.Second)
			h.SetUp("eth0", true)
		},
		"client moves": func(w *world, rng *rand.Rand) {
			w.a.SetAddr("eth0", fmt.Sprintf("10.0.1.%d", 1+rng.IntN(200)))
		},
		"server moves": func(w *world, rng *rand.Rand) {
			w.b.SetAddr("eth0", fmt.Sprintf("10.0.2.%d", 1+rng.IntN(200)))
		},
		"unreachable": func(w *world, rng *rand.Rand) {
			w.net.Path(w.a, w.b).Reject()
			w.net.Path(w.a, w.b).Reset()
			pause(rng, 5*time.Second)
			w.net.Path(w.a, w.b).Heal()
		},
	}
	all := make([]func(*world, *rand.Rand), 0, len(tests))
	for _, name := range []string{"cut and heal", "cut one way", "reset", "break some connections", "delay", "interface down and up", "client moves", "server moves", "unreachable"} {
		all = append(all, tests[name])
	}
	tests["everything"] = func(w *world, rng *rand.Rand) { all[rng.IntN(len(all))](w, rng) }
	for name, event := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSeed(t, func(seed uint64) { runSchedule(t, seed, event) })
		})
	}
}

// eachSeed runs as many schedules as are wanted, until one fails.
func eachSeed(t *testing.T, run func(seed uint64)) {
	t.Helper()
	n := schedulesWanted(t)
	if underRace {
		n /= 4
	}
	for seed := range n {
		if run(seed + 1); t.Failed() {
			t.Fatalf("seed %d", seed+1)
		}
	}
}

// pause sleeps for up to limit.
func pause(rng *rand.Rand, limit time.Duration) {
	time.Sleep(time.Duration(rng.Int64N(int64(limit))))
}

func runSchedule(t *testing.T, seed uint64, event func(*world, *rand.Rand)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 99))
	p := plan{
		net: rockstest.Config{Seed: seed, Latency: time.Duration(1+rng.IntN(60)) * time.Millisecond},
		config: rocks.Config{
			FlightLimit:  []int{0, 1000, 50_000}[rng.IntN(3)],
			ReceiveLimit: []int{0, 700, 30_000}[rng.IntN(3)],
		},
	}
	n := 1000 + rng.IntN(200_000)
	if p.config.FlightLimit == 1000 || p.config.ReceiveLimit == 700 {
		n /= 4
	}
	inWorld(t, p, func(t *testing.T, w *world) {
		client, server := w.dial()
		events := 0
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for range 6 {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rng.Int64N(int64(3 * time.Second)))):
				}
				event(w, rng)
				events++
			}
		}()
		w.within(30*time.Minute, "texts", func() error { return exchangeTexts(client, server, n, seed) })
		close(stop)
		<-stopped
		if n > 100_000 && events == 0 {
			t.Error("nothing happened during the texts")
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		w.ended(10 * time.Minute)
	})
}

// TestNettestThroughCuts runs the standard tests of a net.Conn, in real time, while every connection of
// the network is broken every few milliseconds.
func TestNettestThroughCuts(t *testing.T) {
	for _, every := range []time.Duration{3 * time.Millisecond, 20 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				return cutPair(t, every)
			})
		})
	}
}

func cutPair(t *testing.T, every time.Duration) (c1, c2 net.Conn, stop func(), err error) {
	n := rockstest.New(rockstest.Config{})
	w := &world{t: t, net: n, a: n.Host("a", "10.0.0.1"), b: n.Host("b", "10.0.0.2"), log: &logBuffer{}}
	w.client, w.server = w.endpoint(w.a, rocks.Config{}), w.endpoint(w.b, rocks.Config{})
	w.listen()
	client, server := w.dial()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n.ResetAll()
			case <-quit:
				return
			}
		}
	}()
	return client, server, func() {
		close(quit)
		<-done
		client.Reset()
		server.Reset()
		w.close()
	}, nil
}
