package main

import (
	"strconv"
	"testing"

	"rock/tests/harness"
)

// connectTrials: one connection after the other. That to a server which was not met before goes to another address of loopback each time.
func connectTrials() []*trial {
	metrics := []metric{{"connect p50 us", "%.1f"}, {"p99 us", "%.1f"}, {"connections/s", "%.0f"}}
	try := func(name string, w way, count int, first, step string) *variant {
		return &variant{Name: name, measure: func(t testing.TB) []float64 {
			r := loopback(t)
			program := harness.Program(t, "churn")
			at := w.serve(t, r, program, "listen", "0.0.0.0", strconv.Itoa(servicePort))
			n := numbers(t, w.ask(t, r, program, "dial", first, strconv.Itoa(int(at.Port())), strconv.Itoa(count), step), 3)
			return []float64{n[1], n[2], n[0]}
		}}
	}
	known := []string{"127.0.0.1", "0"}
	unknown := []string{"127.1.0.1", "1"}
	return []*trial{{Name: "connecting", Metrics: metrics, Variants: []*variant{
		try("plain", plainly, 4000, known[0], known[1]),
		try("ordinary server, known", clientUnder, 4000, known[0], known[1]),
		try("ordinary server, unknown", clientUnder, 1000, unknown[0], unknown[1]),
		try("rock, known", underRock, 1000, known[0], known[1]),
		try("rock, unknown", underRock, 1000, unknown[0], unknown[1]),
	}, aims: []aim{{"ordinary server, known", 0, atMostMore, 60}}}}
}
