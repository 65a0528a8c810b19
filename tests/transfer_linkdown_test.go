package tests

import (
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

const outage = 10 * time.Second

// The only path is down for ten seconds. Plain TCP survives this, too, once its
// retransmission timer runs out; it is here to show that the scenario is right.
func TestTransferLinkDown(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		tr := startTransfer(t, l, s)
		l.A.Unplug(1)
		time.Sleep(outage)
		l.A.Plug(1)
		tr.Finish(t)
	})
}

// The path breaks in the middle, where neither end can see it.
func TestTransferSilentOutage(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		tr := startTransfer(t, l, s)
		l.Swallow(1, true)
		time.Sleep(outage)
		l.Swallow(1, false)
		tr.Finish(t)
	})
}

// The path in use goes down for good while there is another one.
func TestTransferOtherPath(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.A.Unplug(1) })
}
