package tests

import (
	"path/filepath"
	"regexp"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// copied is a transfer whose client can be checkpointed and is, without ending, into an image that is returned. More
// has arrived at both ends since.
func copied(t *testing.T) (l *lab.Lab, tr *harness.Transfer, image string) {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	l = lab.New(t)
	tr = harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Bytes: transferBytes / 2, Rate: transferRate / 24, ClientName: "job"}.Start(t)
	tr.WaitReceived(t, transferBytes/100)
	image = filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "job", image, "-R").Output(t)
	tr.Flows(t)
	return l, tr, image
}

// refused runs a restore that must be refused for a reason, with one line or a list that says so.
func refused(t *testing.T, restore harness.Spec, reason string) {
	t.Helper()
	res := restore.Run(t)
	if res.Code == 0 || res.Stdout != "" || !regexp.MustCompile(reason).MatchString(res.Stderr) {
		t.Errorf("exit status %d, want a refusal that says %q:\n%s%s", res.Code, reason, res.Stdout, res.Stderr)
	}
}

// elsewhere is for a restore on another host: one where the numbers of the processes are free.
func elsewhere(restore harness.Spec) harness.Spec {
	restore.Argv = append([]string{"unshare", "--pid", "--mount-proc", "--fork", "--kill-child"}, restore.Argv...)
	return restore
}

// While a group goes on, an image of it cannot be brought to life, neither beside it nor on another host, and the
// attempts do it no harm.
func TestCheckpointLeaveRunning(t *testing.T) {
	t.Parallel()
	l, tr, image := copied(t)
	refused(t, harness.Restore(t, l.A, image), "running")
	refused(t, elsewhere(harness.Restore(t, l.C, image)), "out of date.* gone on")
	refused(t, elsewhere(harness.Restore(t, l.C, image, "-d")), "out of date.* gone on")
	tr.Flows(t)
	tr.Finish(t)
}

// An older image of a group is refused, since its peer has gone on. Who wants it all the same gets its
// connections reset, and even that does not harm the newer image.
func TestCheckpointRolledBack(t *testing.T) {
	t.Parallel()
	l, tr, older := copied(t)
	newer := filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "job", newer).Output(t)
	tr.Client.Stopped(t)

	refused(t, harness.Restore(t, l.A, older), "out of date.* gone on.*--reset-refused")
	res := harness.Restore(t, l.A, older, "--reset-refused").Run(t)
	if res.Code != 1 || !regexp.MustCompile("connection reset by peer").MatchString(res.Stderr) {
		t.Errorf("with --reset-refused: exit status %d, want 1 from a program whose connection was reset\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	tr.Client = tr.Client.Back(t, newer)
	tr.Finish(t)
}

// An image is good for one restore only.
func TestCheckpointRestoreTwice(t *testing.T) {
	t.Parallel()
	l, tr, _ := copied(t)
	image := filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "job", image).Output(t)
	tr.Client.Stopped(t)
	tr.Client = tr.Client.Back(t, image)
	tr.Flows(t)
	refused(t, harness.Restore(t, l.A, image), "running|restored before")
	refused(t, elsewhere(harness.Restore(t, l.C, image)), "restored before")
	tr.Finish(t)
	harness.Until(t, "a refusal because the image was restored", func() bool {
		res := harness.Restore(t, l.A, image).Run(t)
		return res.Code != 0 && regexp.MustCompile("restored before").MatchString(res.Stderr)
	})
}

// The client is restored on another host, with other addresses and other process ids in use.
func TestCheckpointElsewhere(t *testing.T) {
	t.Parallel()
	l, tr, _ := copied(t)
	image := filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "job", image).Output(t)
	tr.Client.Stopped(t)
	for path := range lab.Paths {
		l.A.Unplug(path + 1)
	}
	tr.Client = elsewhere(harness.Restore(t, l.C, image)).Start(t)
	tr.Finish(t)
}
