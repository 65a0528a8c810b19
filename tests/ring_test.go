package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// ranks is a job whose processes all talk to each other.
type ranks struct {
	procs  []*harness.Proc
	rounds int
	last   string // a file: when it is there the last rounds are done
}

// startRanks starts one rank on each of the hosts, and waits until they are at work. Under rock their groups are called
// rank.0, rank.1 and so on, which is a set.
func startRanks(t *testing.T, s harness.Side, rounds int, travels bool, hosts ...*lab.Host) *ranks {
	t.Helper()
	var addresses []string
	for i, h := range hosts {
		addresses = append(addresses, harness.At(h, 1, 7100+i).String())
	}
	r := &ranks{rounds: rounds, last: filepath.Join(harness.TempDir(t), "last")}
	for i, h := range hosts {
		spec := harness.Spec{Host: h, Side: s, Travels: travels, Argv: append([]string{harness.Program(t, "ring"),
			"-rank", strconv.Itoa(i), "-rounds", strconv.Itoa(rounds), "-until", r.last}, addresses...)}
		if s == harness.Rock {
			spec.Name = fmt.Sprintf("rank.%d", i)
		}
		r.procs = append(r.procs, spec.Start(t))
	}
	for _, p := range r.procs {
		p.WaitOutput(t, "round")
	}
	return r
}

// finish has the last rounds done, waits until all ranks have the result, and checks it.
func (r *ranks) finish(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(r.last, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	alone := harness.Spec{Host: r.procs[0].Host(), Argv: []string{harness.Program(t, "ring"),
		"-reference", strconv.Itoa(len(r.procs)), strconv.Itoa(r.rounds)}}.Output(t)
	for i, p := range r.procs {
		if got := p.WaitOutput(t, `final .*\n`)[0]; got != alone {
			t.Errorf("rank %d has %q, want %q", i, got, alone)
		}
	}
}

// Four ranks on two hosts get the right result.
func TestRing(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t)
		startRanks(t, s, 100, false, l.A, l.B, l.A, l.B).finish(t)
	})
}
