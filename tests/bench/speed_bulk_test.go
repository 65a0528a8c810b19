package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
)

// bulkTrials: as much as goes through.
func bulkTrials() []*trial {
	metrics := []metric{{"Gbit/s", "%.2f"}, {"s of CPU per GB", "%.2f"}}
	bulk := func(name string, ways []way, where func(testing.TB) route, seconds, omitted int, args ...string) *trial {
		return &trial{Name: name, Metrics: metrics, Variants: inWays(ways, func(t testing.TB, w way) []float64 {
			return iperf(t, w, where(t), seconds, omitted, args...)
		})}
	}
	lo := bulk("bulk, loopback", []way{plainly, underRock}, loopback, 3, 0)
	lo.aims = []aim{{"rock", 0, atLeastOfPlain, 0.5}}
	gigabit := bulk("bulk, 1 Gbit/s", []way{plainly, underRock, bySSH}, cable(0), 4, 1)
	gigabit.aims = []aim{{"rock", 0, atLeastOfPlain, 0.97}}
	long := bulk("bulk, 1 Gbit/s, 100 ms", []way{plainly, underRock, bySSH}, cable(100), 8, 4)
	long.aims = gigabit.aims
	ordinary := bulk("bulk to an ordinary server", []way{plainly, clientUnder, serverUnder}, twoHosts, 3, 0)
	ordinary.aims = []aim{{clientUnder.name, 0, atLeastOfPlain, 0.98}, {serverUnder.name, 0, atLeastOfPlain, 0.98}}
	return []*trial{
		lo, bulk("bulk both ways, loopback", []way{plainly, underRock}, loopback, 3, 0, "--bidir"),
		bulk("bulk, two hosts", everyWay, twoHosts, 3, 0), gigabit, long, ordinary,
	}
}

// iperf runs iperf3, and returns the rate in Gbit/s and the processor time of the whole machine for a gigabyte, in seconds.
func iperf(t testing.TB, w way, r route, seconds, omitted int, args ...string) []float64 {
	t.Helper()
	at := w.serve(t, r, "iperf3", "-s", "-p", strconv.Itoa(servicePort))
	before := processorTime(t)
	out := w.ask(t, r, append([]string{"iperf3", "-J", "-c", at.Addr().String(), "-p", strconv.Itoa(int(at.Port())),
		"-t", strconv.Itoa(seconds), "-O", strconv.Itoa(omitted)}, args...)...)
	busy := processorTime(t) - before
	type sum struct {
		Bytes float64 `json:"bytes"`
		Rate  float64 `json:"bits_per_second"`
	}
	var result struct {
		End struct {
			Received sum `json:"sum_received"`
			Back     sum `json:"sum_received_bidir_reverse"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.End.Received.Rate == 0 {
		t.Fatalf("iperf3 -J: %v\n%s", err, out)
	}
	e := result.End
	moved := (e.Received.Bytes + e.Back.Bytes) * float64(seconds+omitted) / float64(seconds) // about
	return []float64{(e.Received.Rate + e.Back.Rate) / 1e9, busy / (moved / 1e9)}
}

// processorTime is for how many seconds the processors of this machine have been busy.
func processorTime(t testing.TB) float64 {
	t.Helper()
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	sum := 0.0
	for i, word := range strings.Fields(line)[1:] {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("/proc/stat: %v", err)
		}
		if i != 3 && i != 4 && i < 7 { // idle, iowait, and what is not this machine's
			sum += float64(n)
		}
	}
	return sum / harness.ClockTicks
}
