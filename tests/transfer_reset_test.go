package tests

import (
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Somebody in the network resets the connection.
func TestTransferReset(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.InjectRST(1) }, lab.OnePath)
}

// One transfer is cut more than twenty times, in every way there is. A cut counts when
// the rock has since come back on another link.
func TestTransferManyCuts(t *testing.T) {
	const cuts = 24
	ways := []func(l *lab.Lab){
		func(l *lab.Lab) { l.InjectRST(1) },
		func(l *lab.Lab) { l.A.ChangeAddr(1) },
		func(l *lab.Lab) { l.B.ChangeAddr(1) },
		func(l *lab.Lab) { l.A.Unplug(1); l.A.ChangeAddr(1); l.A.Plug(1) },
	}
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		tr := harness.TransferSpec{
			Server: l.B, Client: l.A, ServerSide: s, ClientSide: s,
			Bytes: transferBytes, Rate: transferRate / 18, // slow: every cut must find it under way, on a busy machine too
		}.Start(t)
		if s == harness.Plain {
			tr.WaitReceived(t, transferBytes/20)
			ways[0](l)
			survives(t, tr, s)
			return
		}
		for i := range cuts {
			tr.WaitReceived(t, tr.Received()+1_000_000)
			before := lastLink(t, l)
			ways[i%len(ways)](l)
			harness.Until(t, "another link", func() bool { return lastLink(t, l).After(before) })
		}
		t.Logf("%d bytes had arrived after %d cuts", tr.Received(), cuts)
		if tr.Received() >= transferBytes {
			t.Error("the last cuts came too late")
		}
		tr.Finish(t)
	})
}

// lastLink is since when the link of the lab's one rock is in use. The end that has not
// noticed that the old one was lost before the other came back on a new one may not
// count it.
func lastLink(t *testing.T, l *lab.Lab) time.Time {
	t.Helper()
	a, b := since(t, l.A, "established"), since(t, l.B, "established")
	if a.After(b) {
		return a
	}
	return b
}
