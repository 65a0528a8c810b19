package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// ordinaryUser has no privilege of any kind.
const ordinaryUser = "nobody"

// An ordinary user's transfer survives what root's does.
func TestUnprivilegedTransfer(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: s, ClientSide: s, User: ordinaryUser,
			Bytes: smallTransfer, Rate: smallTransfer}.Start(t)
		for i := range int64(3) {
			tr.WaitReceived(t, (i+1)*smallTransfer/5)
			if s == harness.Rock {
				l.A.ChangeAddr(1)
				l.InjectRST(1)
			}
		}
		tr.Finish(t)
	})
}

// So do real programs of an ordinary user, C ones and Python ones, as clients and as
// servers, and against ordinary peers.
func TestUnprivilegedPrograms(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	dir, want := site(t)
	everyMix(t, func(t *testing.T, client, server harness.Side) {
		srv := harness.StartPythonHTTP(t, l.B, server, ordinaryUser, dir)
		got := harness.Spec{Host: l.A, Side: client, User: ordinaryUser, Argv: []string{"sh", "-c",
			fmt.Sprintf("curl -sSf http://%s/large | sha256sum", harness.At(l.B, 1, 8080))}}.Output(t)
		if got != want+"  -\n" {
			t.Errorf("got sum %q, want %s", got, want)
		}
		srv.Stop(t)
	})
}

// Under yama's ptrace_scope 1 the supervisor reaches only its own descendants. A
// daemon that has left its parents is still one of them.
func TestUnprivilegedDaemonStaysADescendant(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	p := harness.Spec{Host: l.A, Side: harness.Rock, User: ordinaryUser, Argv: []string{"sh", "-c",
		`setsid sh -c 'sleep 1000 </dev/null >/dev/null 2>&1 & echo daemon $!' & wait; cat`}}.Start(t)
	pid := p.WaitOutput(t, `daemon (\d+)`)[1]
	want := harness.SupervisorOf(t, l.A, "-c", 0).Pid
	harness.Until(t, "the daemon as a child of the supervisor", func() bool {
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			t.Fatal(err)
		}
		parent := regexp.MustCompile(`PPid:\s+(\d+)`).FindSubmatch(status)
		return string(parent[1]) == strconv.Itoa(want)
	})
	p.Stdin.Close()
	p.Wait(t)
}

// A Python program of an ordinary user, with non-blocking sockets.
func TestUnprivilegedPython(t *testing.T) {
	t.Parallel()
	testProgram(t, harness.TransferSpec{PythonServer: true, PythonClient: true, User: ordinaryUser})
}

// What is only the user's stays so: nobody else reads the runtime directory.
func TestUnprivilegedRuntimeDirectory(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	p := harness.Spec{Host: l.A, Side: harness.Rock, User: ordinaryUser, Argv: []string{"sh", "-c", "echo started; cat"}}.Start(t)
	p.WaitOutput(t, "started")
	ls := harness.Spec{Host: l.A, User: ordinaryUser, Argv: []string{harness.Program(t, "rockctl"), "ls"}}.Output(t)
	if !strings.Contains(ls, "sh -c") {
		t.Errorf("rockctl ls shows its own user:\n%s", ls)
	}
	err := filepath.Walk(harness.RuntimeDir(l.A, ordinaryUser), func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 && info.Mode().Type() != os.ModeSymlink {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	p.Stdin.Close()
	p.Wait(t)
}
