package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// What a front does for a restore shows with a supervisor that restores nothing: this test binary.

// restoreHelper restores the image that the first argument names, and writes the result into the second. A prepared one is there
// when it has the file "ready".
func restoreHelper(detach, prepared bool) {
	o := RestoreOptions{
		Dir: os.Args[1], Localhost: true, Detach: detach, Extra: []byte("extra"), Warn: func(line string) { fmt.Println(line) },
	}
	if os.Getenv(helper) == "restore given up" {
		o.Ready = func([]netip.AddrPort) error { return errors.New("somebody else has failed") }
	}
	if prepared {
		o.Prepare = func(ctx context.Context) error {
			fmt.Println("waits")
			for ctx.Err() == nil {
				if _, err := os.Stat(filepath.Join(o.Dir, "ready")); err == nil {
					return nil
				}
				time.Sleep(time.Millisecond)
			}
			return context.Cause(ctx)
		}
	}
	result, err := Restore(o)
	if err := os.WriteFile(os.Args[2], fmt.Appendf(nil, "%v %q %v", result.Elsewhere, result.Group, err), 0o600); err != nil {
		panic(err)
	}
	Exit(result)
}

// fakeSupervisor does as if a group was restored that says hello on its terminal. Then it reports it as
// checkpointed; if it was detached it lives on until the front is gone, and then writes what came of it into the file "alone" of
// the image.
func fakeSupervisor(fd int) {
	c, err := stage.Open(fd)
	if err != nil {
		panic(err)
	}
	m, files, err := c.Receive()
	if err != nil {
		return // there is nothing to restore
	}
	plan := m.(stage.Plan)
	if plan.Restore.Hold {
		giveUp(c, plan.Restore.Dir)
		return
	}
	_, slave, master := plan.Handles.Sort(files)
	want := &stage.Restore{Dir: plan.Restore.Dir, Options: []byte("extra")}
	if !plan.Localhost || !reflect.DeepEqual(plan.Restore, want) || slave == nil || (master != nil) != plan.Detached {
		_ = c.Send(stage.Failed{Status: 125, Reason: fmt.Sprintf("wrong plan: %+v", plan)})
		return
	}
	_, _ = slave.WriteString("hello\n")
	_ = c.Send(stage.Started{Pid: os.Getpid(), Group: "00c0ffee", Warning: []string{"a warning"}})
	if !plan.Detached {
		_ = c.Send(stage.Checkpointed{Dir: plan.Restore.Dir})
		return
	}
	_, _, err = c.Receive() // until the front is gone
	session, _ := unix.Getsid(0)
	shown := make([]byte, 100)
	n, _ := master.Read(shown)
	report := fmt.Sprintf("%v %v %q %v", errors.Is(err, io.EOF), session == os.Getpid(), shown[:n], plan.Terminal)
	_ = os.WriteFile(filepath.Join(plan.Restore.Dir, "alone.new"), []byte(report), 0o600)
	_ = os.Rename(filepath.Join(plan.Restore.Dir, "alone.new"), filepath.Join(plan.Restore.Dir, "alone"))
}

// giveUp is the fakeSupervisor of a restore that is not to go on: it takes its time, and leaves the file "undone".
func giveUp(c *stage.Channel, dir string) {
	_ = c.Send(stage.Ready{})
	if _, _, err := c.Receive(); !errors.Is(err, io.EOF) {
		return
	}
	time.Sleep(200 * time.Millisecond)
	_ = os.WriteFile(filepath.Join(dir, "undone"), nil, 0o600)
	_ = c.Send(stage.Failed{Status: 125, Reason: "given up"})
}

// TestGivenUp gives a restore up when it is ready: when the front ends nothing of it is left.
func TestGivenUp(t *testing.T) {
	t.Setenv(helper, "restore given up")
	dir, result := t.TempDir(), filepath.Join(t.TempDir(), "result")
	out, err := exec.Command(os.Args[0], dir, result).CombinedOutput()
	if _, statErr := os.Stat(filepath.Join(dir, "undone")); err != nil || statErr != nil {
		t.Errorf("the front has not waited: %v %v\n%s", statErr, err, out)
	}
	if got, err := os.ReadFile(result); err != nil || string(got) != `false "" somebody else has failed` {
		t.Errorf("result: got %q (%v)", got, err)
	}
}

// TestCheckpointed ends a front because the group has been written into an image, on a terminal and without.
func TestCheckpointed(t *testing.T) {
	t.Setenv(helper, "restore")
	dir, result := t.TempDir(), filepath.Join(t.TempDir(), "result")
	told := fmt.Sprintf("rock: checkpointed into %s; go on with: rockctl restore -D %s", dir, dir)
	check := func(status unix.WaitStatus) {
		t.Helper()
		if status.ExitStatus() != 137 {
			t.Errorf("got status %#x, want exit status 137", status)
		}
		got, err := os.ReadFile(result)
		if want := fmt.Sprintf("true %q <nil>", "00c0ffee"); err != nil || string(got) != want {
			t.Errorf("result: got %q (%v), want %q", got, err, want)
		}
	}

	x := onTerminal(t, os.Args[0], dir, result)
	shown, status := x.ends()
	check(status)
	lines := strings.Split(shown, "\r\n")
	if len(lines) != 4 || lines[2] != told { // warning and greeting in any order
		t.Errorf("terminal: got %q, want it to end with %q", shown, told)
	}
	if got := modesOf(t, x.pty); got != x.modes {
		t.Errorf("modes: got %+v, want %+v", got, x.modes)
	}

	// Without a terminal the status alone tells.
	cmd := exec.Command(os.Args[0], dir, result)
	out, _ := cmd.CombinedOutput() // the status is looked at below
	check(unix.WaitStatus(cmd.ProcessState.ExitCode() << 8))
	if got := string(out); got != "a warning\nhello\n" && got != "hello\na warning\n" {
		t.Errorf("got %q, want the warning and what was shown on the terminal", got)
	}
}

// TestDetached leaves the supervisor alone with the terminal.
func TestDetached(t *testing.T) {
	t.Setenv(helper, "restore detached")
	dir, result := t.TempDir(), filepath.Join(t.TempDir(), "result")
	if out, err := exec.Command(os.Args[0], dir, result).CombinedOutput(); err != nil || string(out) != "a warning\n" {
		t.Errorf("got %q (%v), want the warning", out, err)
	}
	if got, err := os.ReadFile(result); err != nil || string(got) != `false "00c0ffee" <nil>` {
		t.Errorf("result: got %q (%v)", got, err)
	}
	if got, err := os.ReadFile(awaitAlone(t, dir)); err != nil || string(got) != `true true "hello\r\n" [0 1 2]` {
		t.Errorf("supervisor: got %q (%v)", got, err)
	}
}

// awaitAlone waits for what the supervisor writes when the front is gone.
func awaitAlone(t *testing.T, dir string) string {
	t.Helper()
	alone := filepath.Join(dir, "alone")
	await(t, "report of the supervisor", func() bool {
		_, err := os.Stat(alone)
		return err == nil
	})
	return alone
}

// TestPrepared restores an image that is not there yet, or never comes.
func TestPrepared(t *testing.T) {
	t.Setenv(helper, "restore prepared")
	for name, c := range map[string]struct {
		then func(dir string, front *os.Process) error
		want string
	}{
		"comes": {func(dir string, _ *os.Process) error {
			return os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600)
		}, `false "00c0ffee" <nil>`},
		"never comes": {func(_ string, front *os.Process) error {
			return front.Signal(unix.SIGTERM)
		}, `false "" ended by a signal (terminated)`},
	} {
		t.Run(name, func(t *testing.T) {
			dir, result := t.TempDir(), filepath.Join(t.TempDir(), "result")
			cmd := exec.Command(os.Args[0], dir, result)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, len("waits\n"))); err != nil {
				t.Fatal(err)
			}
			if err := c.then(dir, cmd.Process); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, out)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(result); err != nil || string(got) != c.want {
				t.Errorf("result: got %q (%v), want %q", got, err, c.want)
			}
			if name == "comes" {
				awaitAlone(t, dir)
			}
		})
	}
}
