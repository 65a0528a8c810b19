package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// stays checks that attempts to move the server of a transfer from B to C have left everything as it was, and that it can move
// for all that.
func stays(t *testing.T, l *lab.Lab, tr *harness.Transfer, moves bool) {
	t.Helper()
	tr.Flows(t)
	if got := groups(t, l.B); len(got) != 1 || got[0].Name != "server" {
		t.Errorf("on B there is %+v", got)
	}
	if left := groups(t, l.C); len(left) != 0 {
		t.Errorf("on C there is %+v", left)
	}
	if moves {
		tr.Server.Move(t, l.C)
		tr.Flows(t)
		tr.Finish(t)
	}
}

// occupied has somebody listen on a port of a host.
func occupied(t *testing.T, h *lab.Host, port int) *harness.Proc {
	t.Helper()
	p := harness.Spec{Host: h, Argv: []string{"nc", "-l", fmt.Sprint(port)}}.Start(t)
	harness.WaitListening(t, h, port)
	return p
}

// A dry run says what is in the way, all at once, and changes nothing.
func TestMigrateDryRun(t *testing.T) {
	t.Parallel()
	l, tr := moving(t, func(s *harness.TransferSpec) { s.Keep = true })
	if problems := harness.DryRun(t, l.B, l.C, "server"); len(problems) > 0 {
		t.Errorf("in the way is %q", problems)
	}
	stays(t, l, tr, false)
	port := occupied(t, l.C, 7000)
	name := harness.Spec{Host: l.C, Side: harness.Rock, Name: "server", Argv: []string{"sleep", "1000"}}.Start(t)
	harness.Until(t, "a group on C", func() bool { return len(groups(t, l.C)) == 1 })
	problems := harness.DryRun(t, l.B, l.C, "server")
	if all := strings.Join(problems, "\n"); len(problems) != 2 || !strings.Contains(all, "7000") || !strings.Contains(all, "name") {
		t.Errorf("in the way is %q, want the port 7000 and the name", problems)
	}
	port.Stop(t)
	name.Stop(t)
	harness.Until(t, "no group on C", func() bool { return len(groups(t, l.C)) == 0 })
	stays(t, l, tr, true)
}

// A move that is not possible is refused before the group is stopped, and it is said why.
func TestMigrateRefused(t *testing.T) {
	t.Parallel()
	dir := harness.TempDir(t)
	program := filepath.Join(dir, "stream")
	copyTo(t, program, harness.Program(t, "stream"))
	l, tr := moving(t, func(s *harness.TransferSpec) { s.ServerProgram, s.Keep = program, true })
	onC := filepath.Join(l.C.Private(dir), "stream")
	by := func(transport string) harness.Spec {
		return harness.Migrate(t, l.B, l.C, "server", "--exec", transport)
	}
	rockctl := harness.Program(t, "rockctl")

	there := harness.Migrate(t, l.B, l.C, "server")
	refused(t, there, program)
	copyTo(t, onC, "/bin/true")
	refused(t, there, program+" has .* bytes")
	copyTo(t, onC, program)

	port := occupied(t, l.C, 7000)
	refused(t, there, "7000")
	port.Stop(t)

	pid := groups(t, l.B)[0].Pid
	clash := harness.Spec{Host: l.C, Argv: []string{"sh", "-c",
		fmt.Sprintf("was=$(cat $0); echo %d >$0; sleep 1000 & echo $!; echo $was >$0; wait", pid-1), "/proc/sys/kernel/ns_last_pid"}}.Start(t)
	if got := clash.WaitOutput(t, `\d+`)[0]; got != fmt.Sprint(pid) {
		t.Fatalf("the process on C is %s, want %d", got, pid)
	}
	refused(t, there, fmt.Sprintf("pid %d.* in use by sleep", pid))
	clash.Stop(t)
	(harness.Spec{Host: l.C, Argv: []string{"pkill", "-x", "sleep"}}).Output(t)

	refused(t, by("no-such-command receive"), "no-such-command.*not found")
	refused(t, by(harness.Remote(t, l.C)+" /no/such/rockctl receive"), "/no/such/rockctl.*not found")
	refused(t, by(harness.Remote(t, l.C)+" setpriv --reuid=65534 --clear-groups "+rockctl+" receive"), "receive needs root")
	refused(t, by("echo hello, this is not rock; cat >/dev/null; : receive"), "HOST|other host|not rock|protocol|version")
	refused(t, harness.Migrate(t, l.B, l.C, "nobody"), "no such group: nobody")
	refused(t, harness.Migrate(t, l.B, l.B, "server"), "running|already")
	stays(t, l, tr, true)
}

// copyTo puts a copy of a program in the place of a file.
func copyTo(t *testing.T, to, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".new", data, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
