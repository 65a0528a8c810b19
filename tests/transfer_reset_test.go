package tests

import (
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Somebody in the network resets the connection.
func TestTransferReset(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.InjectRST(1) }, lab.OnePath)
}

// One transfer is cut twenty-four times, in every way there is, with some
// megabytes between the cuts.
func TestTransferManyCuts(t *testing.T) {
	const cuts = 24
	ways := []func(l *lab.Lab){
		func(l *lab.Lab) { l.InjectRST(1) },
		func(l *lab.Lab) { l.A.ChangeAddr(1) },
		func(l *lab.Lab) { l.InjectRST(1); l.InjectRST(1) },
		func(l *lab.Lab) { l.A.Unplug(1); l.A.Plug(1) },
		func(l *lab.Lab) { l.B.ChangeAddr(1) },
		func(l *lab.Lab) { l.A.Unplug(1); l.A.ChangeAddr(1); l.A.Plug(1) },
	}
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		tr := startTransfer(t, l, s)
		if s == harness.Plain {
			ways[0](l)
			survives(t, tr, s)
			return
		}
		for i := range cuts {
			tr.WaitReceived(t, transferBytes/10+int64(i)*(transferBytes*8/10/cuts))
			ways[i%len(ways)](l)
		}
		tr.Finish(t)
	})
}
