package tests

import (
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// One end of a transfer under full load in both directions is written into an image, is away for a time, and is
// restored. The other end, which runs all the time, sees a pause and no more; not a byte is lost or comes twice.
func TestCheckpointTransfer(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	const shortly = 500 * time.Millisecond
	for _, tt := range []struct {
		name   string
		spec   harness.TransferSpec
		ipv6   bool
		listen string
		pause  time.Duration
	}{
		{name: "Go client", spec: harness.TransferSpec{ClientName: "job"}, pause: outage},
		{name: "Go server", spec: harness.TransferSpec{ServerName: "job"}, ipv6: true, pause: shortly},
		{name: "Python client", spec: harness.TransferSpec{ClientName: "job", PythonClient: true}, ipv6: true, pause: shortly},
		{name: "Python server", spec: harness.TransferSpec{ServerName: "job", PythonServer: true}, listen: "0.0.0.0:7000", pause: shortly},
		{name: "job as client", spec: harness.TransferSpec{ClientName: "job", JobClient: true}, pause: shortly},
		{name: "job as server", spec: harness.TransferSpec{ServerName: "job", JobServer: true}, ipv6: true, pause: shortly},
		{name: "both ends", spec: harness.TransferSpec{ServerName: "one", ClientName: "other", PythonServer: true, JobClient: true}, pause: shortly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lab.New(t)
			spec := tt.spec
			spec.Server, spec.Client, spec.ServerSide, spec.ClientSide = l.B, l.A, harness.Rock, harness.Rock
			spec.Bytes, spec.Rate, spec.Listen = transferBytes/2, transferRate, tt.listen
			if tt.ipv6 {
				spec.At = harness.At6(l.B, 1, 7000)
			}
			tr := spec.Start(t)
			tr.WaitReceived(t, transferBytes/20)
			tr.Pause(t, tt.pause)
			tr.Finish(t)
		})
	}
}

// The job itself is right.
func TestCheckpointJobPlain(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	harness.TransferSpec{Server: l.B, Client: l.A, JobServer: true, JobClient: true, Bytes: transferBytes / 4}.Start(t).Finish(t)
}
