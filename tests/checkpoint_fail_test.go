package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// attempts are checkpoints of the client of one transfer under load, to the folder dir.
type attempts struct {
	lab  *lab.Lab
	tr   *harness.Transfer
	criu *harness.CRIU
	dir  string
}

// newAttempts starts the transfer. change may change it before.
func newAttempts(t *testing.T, change func(s *harness.TransferSpec)) *attempts {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	a := &attempts{lab: l, criu: harness.NewCRIU(t), dir: harness.TempDir(t)}
	spec := harness.TransferSpec{
		Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock, Endless: true, Rate: transferRate / 2,
		ClientName: "job", ClientEnv: []string{a.criu.Env()},
	}
	if change != nil {
		change(&spec)
	}
	a.tr = spec.Start(t)
	a.tr.Flows(t)
	return a
}

func (a *attempts) image() string { return filepath.Join(a.dir, "image") }

// checkpoint is the command line of one.
func (a *attempts) checkpoint(t *testing.T, options ...string) harness.Spec {
	return harness.Checkpoint(t, a.lab.A, "job", a.image(), options...)
}

// fails makes an attempt that must fail for a reason, which is said in one line. Nothing may be left of it, and the
// transfer goes on.
func (a *attempts) fails(t *testing.T, reason string, options ...string) {
	t.Helper()
	res := a.checkpoint(t, options...).Run(t)
	if res.Code == 0 || !regexp.MustCompile(reason).MatchString(res.Stderr) || strings.Count(res.Stderr, "\n") != 1 {
		t.Errorf("exit status %d, want a failure and a line that says %q\n%s%s", res.Code, reason, res.Stdout, res.Stderr)
	}
	a.nothing(t)
	a.tr.Flows(t)
}

// nothing checks that no image is there and no part of one.
func (a *attempts) nothing(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(a.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("after a checkpoint that failed there is %v (%v)", left, err)
	}
}

// finish makes a last checkpoint, to show that it is possible, and ends the transfer.
func (a *attempts) finish(t *testing.T) {
	t.Helper()
	a.criu.Heal(t)
	a.tr.Pause(t, 0)
	a.tr.Flows(t)
	a.tr.Finish(t)
}

// CRIU is killed at one moment after the other of a checkpoint, but for those that KillAtRest leaves out. Either there is
// a whole image, or the group goes on as if nothing had happened.
func TestCheckpointCRIUKilled(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, nil)
	whole := a.checkpoint(t, "-R").Run(t)
	if err := os.RemoveAll(a.image()); whole.Code != 0 || err != nil {
		t.Fatalf("exit status %d (%v): %s", whole.Code, err, whole.Stderr)
	}
	const moments = 12
	failed := 0
	for i := range moments {
		after := time.Duration(i) * whole.Took / moments
		for _, options := range [][]string{{"-R"}, {}} {
			a.criu.KillAtRest(t, after)
			if !a.wholeOrNothing(t, options...) {
				failed++
			}
		}
	}
	if failed == 0 {
		t.Error("every kill came too late; this shows nothing")
	}
	a.finish(t)
}

// CRIU is killed when the image is complete, and so maybe before it has killed the group, maybe half through.
func TestCheckpointCRIUKilledAtTheEnd(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, func(s *harness.TransferSpec) {
		s.ClientPrefix = []string{"sh", "-c", `sleep 1000 >/dev/null 2>&1 & "$@"; status=$?; kill $!; exit $status`, "sh"}
	})
	for range 4 {
		a.criu.KillWhen(t, a.image())
		a.wholeOrNothing(t)
	}
	a.finish(t)
}

// wholeOrNothing makes a checkpoint and reports whether there is an image. If there is one, and the group was to end with
// it, the group is restored; in any case it goes on.
func (a *attempts) wholeOrNothing(t *testing.T, options ...string) bool {
	t.Helper()
	res := a.checkpoint(t, options...).Run(t)
	t.Logf("%v: exit status %d: %s", options, res.Code, res.Stderr)
	switch {
	case res.Code != 0:
		a.nothing(t)
	case len(options) == 0:
		a.criu.Heal(t)
		a.tr.Client.Stopped(t)
		a.tr.Client = a.tr.Client.Back(t, a.image())
	}
	a.tr.Flows(t)
	if err := os.RemoveAll(a.image()); err != nil {
		t.Fatal(err)
	}
	return res.Code == 0
}

// CRIU hangs. Who asked for the checkpoint gives it up, by a signal or because it is killed itself.
func TestCheckpointGivenUp(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, nil)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		a.criu.Hang(t)
		asking := a.checkpoint(t).Start(t)
		a.criu.WaitBegan(t)
		asking.Signal(t, sig)
		if res := asking.Wait(t); res.Code == 0 {
			t.Errorf("after %v: exit status 0\n%s", sig, res.Stdout)
		}
		harness.Until(t, "nothing left of the image", func() bool {
			left, err := os.ReadDir(a.dir)
			return err == nil && len(left) == 0
		})
		a.tr.Flows(t)
	}
	a.finish(t)
}

// It is given up at one moment after the other. The group goes on, whatever CRIU was about to do in its processes.
func TestCheckpointGivenUpAnywhere(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, nil)
	whole := a.checkpoint(t, "-R").Run(t)
	if err := os.RemoveAll(a.image()); whole.Code != 0 || err != nil {
		t.Fatalf("exit status %d (%v): %s", whole.Code, err, whole.Stderr)
	}
	const moments = 16
	failed := 0
	for i := range moments {
		asking := a.checkpoint(t, "-R").Start(t)
		time.Sleep(time.Duration(i) * whole.Took / moments)
		asking.Signal(t, syscall.SIGINT)
		if res := asking.Wait(t); res.Code != 0 {
			failed++
			a.nothing(t)
		}
		a.tr.Flows(t)
		if err := os.RemoveAll(a.image()); err != nil {
			t.Fatal(err)
		}
	}
	if failed == 0 {
		t.Error("every signal came too late; this shows nothing")
	}
	a.finish(t)
}

// The disk is full before CRIU can write, while it writes, and while we do.
func TestCheckpointDiskFull(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, nil)
	disk := harness.TempDir(t)
	mount := func(options string) {
		t.Helper()
		if err := syscall.Mount("none", disk, "tmpfs", 0, options); err != nil {
			t.Fatalf("mount: %v", err)
		}
		a.dir = filepath.Join(disk, "images")
		if err := os.Mkdir(a.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	unmount := func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}
	full := "(?i)no space|full|MiB free|room"
	mount("size=2m") // foreseen
	a.fails(t, full)
	unmount()
	for _, leave := range []int{0, 8, 64, 256, 1024} { // room for CRIU's files in part
		mount("size=100m")
		a.criu.Fill(t, disk, leave)
		a.fails(t, full)
		a.criu.Heal(t)
		unmount()
	}
	for files := 5; ; files += 5 { // room for so many files in all
		if files > 100 {
			t.Fatal("a checkpoint needs more than 100 files")
		}
		mount("size=200m,nr_inodes=" + strconv.Itoa(files))
		res := a.checkpoint(t, "-R").Run(t)
		if res.Code != 0 {
			if !regexp.MustCompile(full).MatchString(res.Stderr) {
				t.Errorf("with room for %d files: %s", files, res.Stderr)
			}
			a.nothing(t)
		}
		a.tr.Flows(t)
		unmount()
		if res.Code == 0 {
			break
		}
	}
	a.finish(t)
}

// A group of which two things cannot be saved is told both, before it is stopped at all.
func TestCheckpointUnsupported(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, func(s *harness.TransferSpec) {
		s.ClientPrefix = []string{"sh", "-c", `exec 9<>/dev/fuse && exec unshare --mount "$@"`, "sh"}
	})
	res := a.checkpoint(t).Run(t)
	for _, cause := range []string{"mount namespace", "/dev/fuse"} {
		if res.Code == 0 || !strings.Contains(res.Stderr, cause) {
			t.Errorf("exit status %d, %s is not named:\n%s", res.Code, cause, res.Stderr)
		}
	}
	a.nothing(t)
	a.tr.Flows(t)
	a.tr.Finish(t)
}

// Without the capability that CRIU needs most, a checkpoint is refused and the group goes on.
func TestCheckpointCapabilityMissing(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, func(s *harness.TransferSpec) {
		s.RockPrefix = []string{"setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"}
	})
	a.fails(t, "CAP_SYS_PTRACE is missing: .*: run as root")
	a.tr.Finish(t)
}

// CRIU is killed at one moment after the other of a restore. Then nothing of the group is left, and the image is as
// good as before.
func TestCheckpointRestoreKilled(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, nil)
	a.checkpoint(t).Output(t)
	a.tr.Client.Stopped(t)
	failed := 0
	for _, ms := range []int{0, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120} {
		a.criu.Kill(t, time.Duration(ms)*time.Millisecond)
		front := a.tr.Client.Back(t, a.image())
		select {
		case <-front.Ended():
			failed++
			t.Logf("%v ms: %s", ms, front.Wait(t).Stderr)
			continue
		case <-front.Writes():
		case <-time.After(harness.Patience):
			t.Fatalf("%v ms: the restored group neither runs nor has it ended", ms)
		}
		a.tr.Client = front
		break
	}
	if failed == 0 {
		t.Error("every kill came too late; this shows nothing")
	}
	select {
	case <-a.tr.Client.Ended(): // none came too late
		a.criu.Heal(t)
		a.tr.Client = a.tr.Client.Back(t, a.image())
	default:
	}
	a.tr.Flows(t)
	a.finish(t)
}
