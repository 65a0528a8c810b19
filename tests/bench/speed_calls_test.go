package main

import (
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// callTrials: single system calls, of which some are trapped.
func callTrials() []*trial {
	names := []string{"getppid", "setsockopt", "getsockname", "getpeername", "connect"}
	s := &trial{Name: "one system call", Variants: inWays([]way{plainly, underRock}, func(t testing.TB, w way) []float64 {
		l := lab.New(t)
		p := harness.Spec{Host: l.A, Side: w.client, Argv: []string{harness.Program(t, "calls"), "20000"}}.Start(t)
		p.Wait(t)
		var all []float64
		for _, name := range names {
			all = append(all, numbers(t, p.LastOutput(`(?m)^`+name+` (.*)$`), 1)...)
		}
		return all
	})}
	for _, name := range names {
		s.Metrics = append(s.Metrics, metric{name + " us", "%.2f"})
	}
	return []*trial{s}
}
