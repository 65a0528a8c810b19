package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"rock/tests/harness"
	"rock/tests/lab"
)

// resized gives a terminal another size.
func resized(t *testing.T, term *terminal) *terminal {
	t.Helper()
	if err := pty.Setsize(term.master, &pty.Winsize{Rows: 50, Cols: 132}); err != nil {
		t.Fatal(err)
	}
	return term
}

// A shell on a terminal, with a job that is stopped, comes back on another terminal of another size, and all that a
// person does there works.
func TestCheckpointShell(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	sh := startTerminal(t, harness.Spec{Host: l.A, Side: harness.Rock, Name: "shell", Env: []string{"PS1=ready> "},
		Argv: []string{"bash", "--norc", "--noprofile", "--noediting", "-i"}})
	sh.expect(t, "ready> ")
	sh.typed(t, "remembered=yes; stty -ixon; stty -a | grep -o -- -ixon\r")
	sh.expect(t, "\r\n-ixon")
	sh.expect(t, "ready> ")
	sh.typed(t, "sleep 1000\r")
	sh.expect(t, "sleep 1000\r\n")
	sh.press(t, "\x1a", "Stopped")
	sh.expect(t, "ready> ")

	image := filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "shell", image).Output(t)
	sh.proc.Stopped(t)

	sh = resized(t, startTerminal(t, harness.Restore(t, l.A, image)))
	sh.typed(t, "echo remembered: $remembered\r")
	sh.expect(t, "remembered: yes\r\n")
	sh.expect(t, "ready> ") // bash tells of the stopped job once more
	sh.typed(t, "until stty size | grep '50 132'; do :; done\r")
	sh.expect(t, "\r\n50 132\r\nready> ")
	sh.typed(t, "stty -a | grep -o -- -ixon\r")
	sh.expect(t, "\r\n-ixon")
	sh.expect(t, "ready> ")
	sh.typed(t, "jobs\r")
	sh.expect(t, "Stopped                 sleep 1000\r\nready> ")
	sh.typed(t, "fg\r")
	sh.expect(t, "sleep 1000\r\n")
	sh.press(t, "\x03", "ready> ")
	sh.typed(t, "exit 5\r")
	if res := sh.proc.Wait(t); res.Code != 5 {
		t.Errorf("exit status %d, want 5", res.Code)
	}
}

// A program has made a terminal itself, for something that runs on it. It comes back with the very same, whether rock
// needs one besides or not.
func TestCheckpointOwnTerminal(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	for name, options := range map[string][]string{"in front": nil, "detached": {"-d"}} {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t, lab.Apart)
			dir := harness.TempDir(t)
			job := harness.Spec{Host: l.A, Side: harness.Rock, Name: "job", Argv: []string{"python3", "-c",
				"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
				"sh", "-c", `cd "$0"; tty >before; until [ -e go ]; do sleep 0.05; done; tty >after; exit 3`, dir}}.Start(t)
			terminal := func(name string) string {
				var text []byte
				harness.Until(t, "the terminal "+name, func() bool {
					text, _ = os.ReadFile(filepath.Join(dir, name))
					return strings.HasPrefix(string(text), "/dev/pts/")
				})
				return string(text)
			}
			before := terminal("before")
			image := filepath.Join(harness.TempDir(t), "image")
			harness.Checkpoint(t, l.A, "job", image).Output(t)
			job.Stopped(t)
			job = job.Back(t, image, options...)
			if options != nil {
				job.Wait(t)
			}
			if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if after := terminal("after"); after != before {
				t.Errorf("the terminal was %s before, and is %s now", before, after)
			}
			if res := job.Wait(t); options == nil && res.Code != 3 {
				t.Errorf("exit status %d, want 3\n%s", res.Code, res.Stderr)
			}
		})
	}
}

// A person is logged in on another host. The ssh client goes away and comes back on another terminal.
func TestCheckpointSSH(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	sshd := harness.StartSSH(t, l.B, harness.Rock)
	term := startTerminal(t, harness.Spec{Host: l.A, Side: harness.Rock, Name: "ssh", Argv: sshd.Client("ssh", "-tt", "server",
		"env PS1='ready> ' bash --norc --noprofile --noediting")})
	term.expect(t, "ready> ")
	term.typed(t, "remembered=yes; echo $((6 * 7)); stty size\r")
	term.expect(t, "42\r\n24 80\r\nready> ")

	image := filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, l.A, "ssh", image).Output(t)
	term.proc.Stopped(t)
	term = resized(t, startTerminal(t, harness.Restore(t, l.A, image)))
	term.typed(t, "echo remembered: $remembered\r")
	term.expect(t, "remembered: yes\r\nready> ")
	term.typed(t, "until stty size | grep '50 132'; do :; done\r")
	term.expect(t, "\r\n50 132\r\nready> ")
	term.typed(t, "exit 7\r")
	if res := term.proc.Wait(t); res.Code != 7 {
		t.Errorf("exit status %d, want 7", res.Code)
	}
}
