package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"
)

// The rest of the command line of scripts/bench speed.
var (
	only   = flag.String("only", "", "`regexp` of what to measure, all if empty")
	crowds = flag.String("crowds", "1,10,100,1000", "how many `connections` there are at once, a comma between numbers")
)

// trial is something that is done in several ways, of which the first is the measure of the others.
type trial struct {
	Name     string     `json:"name"`
	Metrics  []metric   `json:"metrics"`
	Variants []*variant `json:"variants"`
	aims     []aim
	absolute bool // the first way is no measure: ratios mean nothing
}

// metric is a kind of number that each way gives.
type metric struct {
	Name   string `json:"name"`
	format string
}

// variant is one way.
type variant struct {
	Name    string                       `json:"name"`
	measure func(t testing.TB) []float64 // as many numbers as there are metrics

	// By metric, of each round; and what follows from these.
	Values [][]float64 `json:"values"`
	Ratios [][]float64 `json:"ratios"` // to the first way, in the same round
	Value  []spread    `json:"summary"`
	Ratio  []spread    `json:"ratio"`
}

// aim is what a way is to reach in a metric.
type aim struct {
	variant string
	metric  int
	kind    kind
	bound   float64
}

// kind says what of a number an aim is about.
type kind int

const (
	atLeastOfPlain kind = iota // ratio
	atMostOfPlain
	atMost     // number
	atMostMore // difference to the first way
)

// Every trial by the file that it is in.
func allTrials(b *testing.B) []*trial {
	var all []*trial
	for _, some := range [][]*trial{bulkTrials(), pingpongTrials(), connectTrials(), programTrials(), callTrials(), crowdTrials(b), idleTrials(b), recoveryTrials(), roamingTrials()} {
		all = append(all, some...)
	}
	return all
}

// BenchmarkSpeed measures what connections through rock cost, beside plain ones and others that go through something.
// scripts/bench runs it, since it needs hosts; it measures once whatever b.N is.
func BenchmarkSpeed(b *testing.B) {
	wanted, err := regexp.Compile(*only)
	if err != nil {
		b.Fatalf("-only: %v", err)
	}
	r := &speeds{conditions: newConditions("", *roundCount)}
	for _, s := range allTrials(b) {
		if wanted.MatchString(s.Name) {
			r.Trials = append(r.Trials, s)
		}
	}
	if len(r.Trials) == 0 {
		b.Fatalf("-only: nothing is called like %q", *only)
	}
	for round := range r.Rounds {
		for _, s := range r.Trials {
			for i := range s.Variants {
				v := s.Variants[(i+round)%len(s.Variants)]
				if !b.Run(fmt.Sprintf("round%d/%s/%s", round+1, s.Name, v.Name), func(b *testing.B) {
					v.add(v.measure(b))
					b.ReportMetric(0, "ns/op") // what counts is in the results
				}) {
					b.FailNow()
				}
			}
		}
	}
	if *outDir == "" {
		*outDir = b.TempDir()
	}
	if err := r.publish(os.Stdout, *outDir); err != nil {
		b.Fatal(err)
	}
}

func (v *variant) add(numbers []float64) {
	if v.Values == nil {
		v.Values = make([][]float64, len(numbers))
	}
	for i, n := range numbers {
		v.Values[i] = append(v.Values[i], n)
	}
}
