package tests

import (
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A connection to an ordinary peer is closed by a restore, and the checkpoint says so. With --tcp-established it
// goes on, on the same address.
func TestCheckpointOrdinaryConnection(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	for _, option := range []string{"", "--tcp-established"} {
		name := "closed"
		if option != "" {
			name = "kept"
		}
		t.Run(name, func(t *testing.T) {
			l := lab.New(t)
			tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Plain, ClientSide: harness.Rock,
				Bytes: transferBytes / 4, Rate: transferRate / 3, ClientName: "job", JobClient: true}.Start(t)
			tr.WaitReceived(t, transferBytes/100)
			image := filepath.Join(harness.TempDir(t), "image")
			if option != "" {
				harness.Checkpoint(t, l.A, "job", image, option).Output(t)
				tr.Client.Stopped(t)
				tr.Client = tr.Client.Back(t, image)
				tr.Finish(t)
				return
			}
			res := harness.Checkpoint(t, l.A, "job", image).Run(t)
			if said := res.Stdout + res.Stderr; res.Code != 0 || !strings.Contains(said, harness.At(l.B, 1, 7000).String()) {
				t.Errorf("exit status %d, the connection is not named:\n%s", res.Code, said)
			}
			tr.Client.Stopped(t)
			if res := harness.Restore(t, l.A, image).Run(t); res.Code != 1 || !strings.Contains(res.Stderr, "job: ") {
				t.Errorf("exit status %d, want 1 from a program whose connection is closed\n%s", res.Code, res.Stderr)
			}
		})
	}
}
