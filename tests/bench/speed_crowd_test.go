package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// crowdSizes are the numbers of -crowds.
func crowdSizes(b *testing.B) (all []int) {
	for _, word := range strings.Split(*crowds, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			b.Fatalf("-crowds: %q is no number of connections", word)
		}
		all = append(all, n)
	}
	return all
}

// crowdTrials: the same number of bytes in all, over more and more connections at once.
func crowdTrials(b *testing.B) (all []*trial) {
	const bytes = 1 << 30
	for _, n := range crowdSizes(b) {
		all = append(all, &trial{Name: fmt.Sprintf("%d connections at once", n),
			Metrics: []metric{{"Gbit/s", "%.2f"}, {"connections/s", "%.0f"}, {"KiB of supervisors per connection", "%.0f"}},
			Variants: inWays([]way{plainly, underRock}, func(t testing.TB, w way) []float64 {
				r := loopback(t)
				at := serveCrowd(t, w, r, n)
				p := dialCrowd(t, w, r, at, n, bytes)
				memory := 0
				for ended := false; !ended; {
					select {
					case <-p.Ended():
						ended = true
					case <-time.After(50 * time.Millisecond):
						memory = max(memory, supervisorsMemory(r))
					}
				}
				p.Wait(t)
				moved := numbers(t, p.LastOutput(`(?m)^moved (.*)$`), 1)[0]
				return []float64{bytes * 8 / moved / 1e9, float64(n) / connected(t, p), float64(memory) / 1024 / float64(n)}
			})})
	}
	return all
}

func serveCrowd(t testing.TB, w way, r route, n int) string {
	return w.serve(t, r, harness.Program(t, "crowd"), "-listen", ":"+strconv.Itoa(servicePort), "-n", strconv.Itoa(n)).String()
}

func dialCrowd(t testing.TB, w way, r route, at string, n, bytes int) *harness.Proc {
	return harness.Spec{Host: r.client, Side: w.client, Argv: []string{harness.Program(t, "crowd"), "-dial", at, "-n", strconv.Itoa(n), "-bytes", strconv.Itoa(bytes)}}.Start(t)
}

// connected is how many seconds it took to make all connections.
func connected(t testing.TB, p *harness.Proc) float64 {
	return numbers(t, p.WaitOutput(t, `(?m)^connected (.*)$`)[1], 1)[0]
}

// supervisors are those of both ends of a crowd: the parents of the programs.
func supervisors(h *lab.Host) (all []harness.Process) {
	for _, p := range harness.Named(h, "crowd", "") {
		all = append(all, harness.Process{Pid: p.Parent})
	}
	return all
}

// supervisorsMemory is the memory of both, in bytes; 0 if there are none.
func supervisorsMemory(r route) (sum int) {
	for _, p := range supervisors(r.client) {
		sum += p.Memory()
	}
	return sum
}

// idleTrials: connections over which nothing is sent, and what their supervisors do all the same.
func idleTrials(b *testing.B) (all []*trial) {
	for _, n := range crowdSizes(b) {
		if n < 100 {
			continue // too few to tell one's share
		}
		all = append(all, &trial{Name: fmt.Sprintf("%d idle rocks", n), absolute: true,
			Metrics: []metric{{"KiB per rock", "%.1f"}, {"% of a core", "%.2f"}, {"wake-ups/s", "%.0f"}},
			Variants: []*variant{
				{Name: "client's supervisor", measure: func(t testing.TB) []float64 { return idle(t, n, "-dial") }},
				{Name: "server's supervisor", measure: func(t testing.TB) []float64 { return idle(t, n, "-listen") }},
			},
			aims: []aim{{"client's supervisor", 0, atMost, 64}, {"server's supervisor", 0, atMost, 64},
				{"client's supervisor", 1, atMost, float64(n) / 1000}, {"server's supervisor", 1, atMost, float64(n) / 1000}},
		})
	}
	return all
}

// idle measures the supervisor of the end that has a word on its command line, over some seconds.
func idle(t testing.TB, n int, word string) []float64 {
	few, _, _ := idleFor(t, 1, word, 0)
	memory, cpu, switches := idleFor(t, n, word, 20*time.Second)
	return []float64{(memory - few) / 1024 / float64(n-1), cpu * 100, switches}
}

// idleFor makes so many idle rocks and returns the memory in bytes of one end's supervisor, and over a time the share of
// a processor that it has used and how often in a second it has run.
func idleFor(t testing.TB, n int, word string, d time.Duration) (memory, cpu, switches float64) {
	r := loopback(t)
	at := serveCrowd(t, underRock, r, n)
	p := dialCrowd(t, underRock, r, at, n, 0)
	connected(t, p)
	end := harness.Named(r.client, "crowd", word)
	if len(end) != 1 {
		t.Fatalf("%d ends of the crowd have the word %q", len(end), word)
	}
	s := harness.Process{Pid: end[0].Parent}
	time.Sleep(2 * time.Second) // what there is to do at first
	memory = float64(s.Memory())
	if d > 0 {
		began, busy, ran := time.Now(), s.CPU(), s.Switches()
		time.Sleep(d)
		took := time.Since(began).Seconds()
		cpu, switches = (s.CPU()-busy).Seconds()/took, float64(s.Switches()-ran)/took
	}
	p.Stdin.Close()
	p.Wait(t)
	return memory, cpu, switches
}
