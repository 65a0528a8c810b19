package tests

import (
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// The client gets another address on the only path it has.
func TestTransferClientAddressChange(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.A.ChangeAddr(1) }, lab.OnePath)
}

// The server gets another address: only it can know where it is now.
func TestTransferServerAddressChange(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.B.ChangeAddr(1) }, lab.OnePath)
}

// The client goes from one network to another, as from cable to radio.
func TestTransferRoaming(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, tr *harness.Transfer) {
		l.A.Unplug(1)
		l.A.Plug(2)
	}, lab.OnePath)
}

// The client's address changes while its link is down, after which nothing of the
// old connection is left.
func TestTransferAddressChangeWhileDown(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) {
		l.A.Unplug(1)
		l.A.ChangeAddr(1)
		l.A.Plug(1)
	}, lab.OnePath)
}

// The NAT in front of the client forgets its flows and takes another address.
func TestTransferNATRebinding(t *testing.T) {
	cutTransfer(t, func(l *lab.Lab, _ *harness.Transfer) { l.RebindNAT() }, lab.NAT, lab.OnePath)
}

// Routers let nothing through but what goes to the server's port, at which it listens all the time, and what comes from there.
// Nothing else is needed.
func TestTransferOnePort(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.OnePath)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock, Keep: true,
		Bytes: transferBytes / 4, Rate: transferRate}.Start(t)
	tr.WaitReceived(t, transferBytes/40)
	l.Filter(1, "tcp", "dport", "{ 1-6999, 7001-65535 }", "tcp", "sport", "{ 1-6999, 7001-65535 }", "drop")
	l.A.ChangeAddr(1)
	tr.Finish(t)
}
