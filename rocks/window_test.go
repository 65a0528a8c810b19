package rocks_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// A long cable is filled: what is allowed to be under way grows to what it holds. A short one gets no more than at first.
func TestWindow(t *testing.T) {
	const bandwidth = 40_000_000 // bytes per second
	for name, tt := range map[string]struct {
		latency time.Duration
		limit   int // of Config; 0: default
		least   float64
		most    float64 // of the bandwidth that is used
	}{
		"far":             {200 * time.Millisecond, 0, 0.8, 1},
		"far and bounded": {200 * time.Millisecond, 4 << 20, 0.2, 0.3}, // 4 MiB in 0.4 s
		"near":            {time.Millisecond, 0, 0.95, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := rockstest.New(rockstest.Config{Latency: tt.latency, SendBuffer: 64 << 20, ReceiveBuffer: 64 << 20})
				p := &pair{net: n, a: n.Host("a", "10.0.0.1"), b: n.Host("b", "10.0.0.2")}
				n.Path(p.a, p.b).SetBandwidth(bandwidth)
				tune := func(c *rocks.Config) { c.FlightLimit, c.ReceiveLimit = tt.limit, tt.limit }
				p.ea, p.eb = endpoint(t, p.a, tune), endpoint(t, p.b, tune)
				defer func() { p.ea.Close(); p.eb.Close(); n.Close() }()
				p.client, p.server = connect(t, p.ea, p.eb)
				pour(t, p, 60_000_000) // until it has grown
				began := time.Now()
				const bytes = 80_000_000
				pour(t, p, bytes)
				used := bytes / time.Since(began).Seconds() / bandwidth
				if used < tt.least || used > tt.most {
					t.Errorf("%.2f of the bandwidth is used, want %.2f to %.2f", used, tt.least, tt.most)
				}
			})
		})
	}
}

// pour sends n bytes to the server, and returns when that has read them.
func pour(t *testing.T, p *pair, n int64) {
	t.Helper()
	go func() {
		block := make([]byte, 1<<20)
		for left := n; left > 0; {
			k, err := p.client.Write(block[:min(left, int64(len(block)))])
			if err != nil {
				t.Error(err)
				return
			}
			left -= int64(k)
		}
	}()
	if _, err := io.CopyN(io.Discard, p.server, n); err != nil {
		t.Fatal(err)
	}
}
