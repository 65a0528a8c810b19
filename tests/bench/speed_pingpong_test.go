package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
)

// pingpongTrials: a message to and fro.
func pingpongTrials() []*trial {
	metrics := []metric{{"p50 us", "%.1f"}, {"p99 us", "%.1f"}}
	pingpong := func(name string, ways []way, where func(testing.TB) route, bytes int) *trial {
		return &trial{Name: fmt.Sprintf("round trip of %d bytes, %s", bytes, name), Metrics: metrics,
			Variants: inWays(ways, func(t testing.TB, w way) []float64 {
				r := where(t)
				program := harness.Program(t, "pingpong")
				at := w.serve(t, r, program, "listen", r.at.String(), strconv.Itoa(servicePort))
				out := w.ask(t, r, program, "dial", at.Addr().String(), strconv.Itoa(int(at.Port())), strconv.Itoa(bytes), "1.5")
				return numbers(t, out, 3)[1:]
			})}
	}
	var all []*trial
	for _, bytes := range []int{1, 64, 1400} {
		s := pingpong("loopback", []way{plainly, underRock}, loopback, bytes)
		s.aims = []aim{{"rock", 0, atMostOfPlain, 2.5}}
		all = append(all, s)
	}
	ordinary := pingpong("ordinary server", []way{plainly, clientUnder, serverUnder}, twoHosts, 64)
	ordinary.aims = []aim{{clientUnder.name, 0, atMostOfPlain, 1 / 0.98}, {serverUnder.name, 0, atMostOfPlain, 1 / 0.98}}
	return append(all, pingpong("two hosts", everyWay, twoHosts, 64), ordinary)
}

// numbers are those of a program's only line.
func numbers(t testing.TB, out string, want int) []float64 {
	t.Helper()
	words := strings.Fields(out)
	all := make([]float64, len(words))
	for i, w := range words {
		n, err := strconv.ParseFloat(w, 64)
		if err != nil || len(words) != want {
			t.Fatalf("want %d numbers, got %q", want, out)
		}
		all[i] = n
	}
	return all
}
