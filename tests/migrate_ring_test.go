package tests

import (
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Four ranks on two hosts move to a third, one after the other, while they compute. With -l they find each other there when
// it has no network any more, and the result is right.
func TestMigrateRing(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	job := startRanks(t, harness.Rock, 500, true, l.A, l.B, l.A, l.B)
	for _, p := range job.procs {
		p.Move(t, l.C, "-l")
	}
	for _, h := range []*lab.Host{l.A, l.B, l.C} {
		h.Unplug(1)
		h.Unplug(2)
	}
	job.finish(t)
}
