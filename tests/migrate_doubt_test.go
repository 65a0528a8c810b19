package tests

import (
	"strings"
	"syscall"
	"testing"

	"rock/tests/harness"
)

// The connection breaks when the decision is under way, and rockctl is killed too: nobody can say where the group lives. It stands
// still until another rockctl can ask the other host.
func TestMigrateInDoubt(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	f := newFaults(t)
	for _, p := range []struct {
		point, where, answer string
		after                bool
	}{
		{"commit before", "source:commit", "goes on here", false},
		{"done before", "target:done", "the group is on", false},
	} {
		f.unswept = true
		f.tap, f.released = harness.NewTap(t, p.where, p.after), true
		f.rockctl = harness.Migrate(t, f.at, f.to, "job", f.tap.Exec(harness.Receive(t, f.to))).Start(t)
		f.tap.WaitReached(t)
		f.rockctl.Signal(t, syscall.SIGKILL)
		f.rockctl.Wait(t)
		f.tap.Drop(t)
		harness.Until(t, "the group in doubt", func() bool { return f.state(t) == "in doubt" })

		if res := (harness.Spec{Host: f.at, Argv: []string{harness.Program(t, "rockctl"), "checkpoint", "-D", harness.TempDir(t) + "/image", "job"}}).Run(t); res.Code == 0 {
			t.Errorf("%s: a checkpoint of a group in doubt was made:\n%s", p.point, res.Stdout)
		}
		res := harness.Migrate(t, f.at, f.to, "job").Run(t)
		if res.Code == 0 || !strings.Contains(res.Stderr, p.answer) {
			t.Errorf("%s: exit status %d, want a failure that says %q:\n%s%s", p.point, res.Code, p.answer, res.Stdout, res.Stderr)
		}
		f.tr.Flows(t)
		if moved := f.settle(t, p.point); moved != (p.point == "done before") {
			t.Errorf("%s: the group is on %s", p.point, f.at.Name)
		}
	}
	f.unswept = false
	f.undisturbed(t)
	f.tr.Finish(t)
}

// state is that of the group.
func (f *faults) state(t *testing.T) string {
	t.Helper()
	all := groups(t, f.at)
	if len(all) != 1 {
		t.Fatalf("on %s there is %+v", f.at.Name, all)
	}
	return all[0].State
}
