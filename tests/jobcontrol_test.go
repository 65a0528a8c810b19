package tests

import (
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Under an interactive shell a job is stopped, continued, interrupted and killed the
// same with rock as without.
func TestJobControl(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{"plain": "", "rock": "rock "} {
		t.Run(name, func(t *testing.T) {
			if prefix != "" {
				harness.SkipUnlessPlain(t, harness.Rock)
			}
			l := lab.New(t)
			sh := startShell(t, l, harness.Plain)

			sh.typed(t, prefix+"cat\r")
			sh.typed(t, "one\r")
			sh.expect(t, "one\r\none\r\n")
			sh.typed(t, "\x1a") // Ctrl-Z
			sh.expect(t, "Stopped")
			sh.expect(t, "ready> ")
			sh.typed(t, "jobs\r")
			sh.expect(t, "[1]+  Stopped                 "+prefix+"cat\r\n")
			sh.expect(t, "ready> ")
			sh.typed(t, "fg\r")
			sh.expect(t, prefix+"cat\r\n")
			sh.typed(t, "two\r")
			sh.expect(t, "two\r\ntwo\r\n")
			sh.typed(t, "\x03") // Ctrl-C
			sh.expect(t, "ready> ")
			sh.typed(t, "echo status $?\r")
			sh.expect(t, "status 130\r\nready> ")

			sh.typed(t, prefix+"sleep 1000 &\r")
			sh.expect(t, "[1] ")
			sh.expect(t, "ready> ")
			sh.typed(t, "kill %1; wait %1; echo status $?\r")
			sh.expect(t, "status 143\r\n")
			sh.typed(t, "exit\r")
			sh.proc.Wait(t)
		})
	}
}

// A shell under rock has job control itself.
func TestJobControlOfShell(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t)
		sh := startShell(t, l, s)
		sh.typed(t, "sleep 1000\r")
		sh.expect(t, "sleep 1000\r\n")
		sh.press(t, "\x1a", "Stopped")
		sh.expect(t, "ready> ")
		sh.typed(t, "bg; jobs\r")
		sh.expect(t, "Running")
		sh.expect(t, "ready> ")
		sh.typed(t, "fg\r")
		sh.expect(t, "sleep 1000\r\n")
		sh.press(t, "\x03", "ready> ")
		sh.typed(t, "sh -c 'kill -9 $$'; echo status $?\r")
		sh.expect(t, "status 137\r\nready> ")
		sh.typed(t, "exit 5\r")
		if res := sh.proc.Wait(t); res.Code != 5 {
			t.Errorf("exit status %d, want 5", res.Code)
		}
	})
}

// startShell starts an interactive shell on a terminal, with rock in its path.
func startShell(t *testing.T, l *lab.Lab, s harness.Side) *terminal {
	t.Helper()
	env := []string{"PS1=ready> "}
	if !harness.PlainOnly() {
		dir := strings.TrimSuffix(harness.Program(t, "rock"), "/rock")
		env = append(env, "PATH="+dir+":/usr/local/bin:/usr/bin:/bin")
	}
	sh := startTerminal(t, harness.Spec{Host: l.A, Side: s, Env: env,
		Argv: []string{"bash", "--norc", "--noprofile", "--noediting", "-i"}})
	sh.expect(t, "ready> ")
	return sh
}

// What is said without a terminal: exit statuses of the command and of rock itself.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	for _, tt := range []struct {
		argv []string
		want int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 42"}, 42},
		{[]string{"sh", "-c", "kill -KILL $$"}, 137},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143},
		{[]string{"/etc/passwd"}, 126},
		{[]string{"/no/such/program"}, 127},
		{[]string{"no-such-program"}, 127},
	} {
		res := harness.Spec{Host: l.A, Side: harness.Rock, Argv: tt.argv}.Run(t)
		if res.Code != tt.want {
			t.Errorf("%q: exit status %d, want %d", tt.argv, res.Code, tt.want)
		}
		if lines := strings.Count(res.Stderr, "\n"); (tt.want == 126 || tt.want == 127) != (lines == 1) {
			t.Errorf("%q: on standard error: %q", tt.argv, res.Stderr)
		}
	}
	res := harness.Spec{Host: l.A, Argv: []string{harness.Program(t, "rock"), "--no-such-option", "true"}}.Run(t)
	if res.Code != 125 || res.Stderr == "" {
		t.Errorf("unknown option: exit status %d, %q", res.Code, res.Stderr)
	}
}

// A program whose output is read to its end by another is not waited for longer than
// it lives, though its supervisor may have something left to do.
func TestPipeline(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t)
		argv := []string{"sh", "-c", `"$@" printf 'a\nb\n' | "$@" sort -r | tr -d '\n'`, "sh"}
		if s == harness.Rock {
			argv = append(argv, harness.Program(t, "rock"))
		} else {
			argv = append(argv, "env")
		}
		if got := (harness.Spec{Host: l.A, Argv: argv}).Output(t); got != "ba" {
			t.Errorf("got %q, want ba", got)
		}
	})
}
