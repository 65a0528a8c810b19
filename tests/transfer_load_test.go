package tests

import (
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Every processor is busy with something else while the client's address changes.
func TestTransferUnderLoad(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		for range 4 {
			harness.Spec{Host: l.C, Argv: []string{"sh", "-c", "while :; do :; done"}}.Start(t)
		}
		tr := startTransfer(t, l, s)
		if s == harness.Rock {
			l.A.ChangeAddr(1)
		}
		tr.Finish(t)
	})
}
