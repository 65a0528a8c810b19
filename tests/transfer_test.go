package tests

import (
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// What every transfer test moves: 200 MB each way, slowly enough that there is a
// middle in which things can happen.
const (
	transferBytes = 200_000_000
	transferRate  = 60_000_000
)

// startTransfer begins a transfer between A and B with both ends on one side and
// waits until it is well under way.
func startTransfer(t *testing.T, l *lab.Lab, s harness.Side) *harness.Transfer {
	t.Helper()
	tr := harness.TransferSpec{
		Server: l.B, Client: l.A, ServerSide: s, ClientSide: s,
		Bytes: transferBytes, Rate: transferRate,
	}.Start(t)
	tr.WaitReceived(t, transferBytes/10)
	return tr
}

// survives finishes the transfer under rock; without rock it wants to see it die.
func survives(t *testing.T, tr *harness.Transfer, s harness.Side) {
	t.Helper()
	if s == harness.Rock {
		tr.Finish(t)
	} else if !tr.Dies(3 * time.Second) {
		t.Error("plain TCP survived; this scenario shows nothing")
	}
}

// A scenario cuts a running transfer in some way that plain TCP does not survive.
func cutTransfer(t *testing.T, cut func(l *lab.Lab, tr *harness.Transfer), options ...lab.Option) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, options...)
		tr := startTransfer(t, l, s)
		cut(l, tr)
		survives(t, tr, s)
	})
}

func TestTransferUndisturbed(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t)
		startTransfer(t, l, s).Finish(t)
	})
}
