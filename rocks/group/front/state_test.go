package front

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// look prints what a process was given.
const look = `ls -l /proc/self/fd | sed 's/.* \([0-9]* -> \)/\1/' | grep -v '/proc/\|pipe:' | tail -n +2
umask; ulimit -a; nice; pwd; grep '^Sig[BI]\|^ShdPnd' /proc/self/status; env | grep -v ^_= | sort; echo "$0 $# $*"`

// TestInheritance runs a program with and without rock from the same odd states: it must not see
// a difference.
func TestInheritance(t *testing.T) {
	for _, tt := range []struct{ name, state string }{
		{"plain", ""},
		{"descriptors", "exec 3</etc/passwd 7>>/dev/null 0</etc/group"},
		{"standard error closed before rock", "exec 2>/dev/null"},
		{"umask and limits", "umask 027; ulimit -n 200; ulimit -c 0; ulimit -s 4096"},
		{"nice", "renice -n 7 -p $$ >/dev/null"},
		{"directory", "cd /usr/lib"},
		{"environment", "export ODD='a\nb' EMPTY= PATH=$PATH:; unset HOME"},
		{"ignored signals", "trap '' HUP INT QUIT TERM PIPE USR1 USR2 ALRM TSTP TTIN TTOU WINCH CONT"},
		{"ignored SIGCHLD", "trap '' CHLD URG PROF SEGV"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := func(rock string) string {
				script := tt.state + "\n" + rock + ` sh -c "$LOOK" name one 'two three'`
				cmd := exec.Command("sh", "-c", script)
				cmd.Env = append(os.Environ(), "LOOK="+look, "ROCK="+rockPath)
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				return string(out)
			}
			want, got := run(""), run(`"$ROCK"`)
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestSignalMask starts a program with signals blocked that Go's runtime does and does not unblock.
func TestSignalMask(t *testing.T) {
	for _, mask := range []string{"0000000000000a00", "0000000000014002", "8000000400000001"} {
		run := func(args ...string) string {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), helper+"=mask "+mask)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return string(out)
		}
		self := os.Args[0]
		want := run(self, "grep", "^Sig[BI]", "/proc/self/status")
		got := run(self, rockPath, "grep", "^Sig[BI]", "/proc/self/status")
		if got != want || !strings.Contains(want, mask) {
			t.Errorf("mask %s: got %q, want %q", mask, got, want)
		}
	}
}

// TestExitStatus checks how rock ends against how the command ends.
func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		signal unix.Signal
		stderr string // a regular expression for the one line that it must be
	}{
		{name: "success", args: []string{"true"}},
		{name: "failure", args: []string{"sh", "-c", "exit 7"}, status: 7},
		{name: "highest status", args: []string{"sh", "-c", "exit 255"}, status: 255},
		{name: "125 of the command", args: []string{"sh", "-c", "exit 125"}, status: 125},
		{name: "terminated", args: []string{"sh", "-c", "kill -TERM $$"}, signal: unix.SIGTERM},
		{name: "killed", args: []string{"sh", "-c", "kill -KILL $$"}, signal: unix.SIGKILL},
		{name: "hung up", args: []string{"sh", "-c", "kill -HUP $$"}, signal: unix.SIGHUP},
		{name: "faulted", args: []string{"sh", "-c", "kill -SEGV $$"}, signal: unix.SIGSEGV},
		{name: "quit", args: []string{"sh", "-c", "kill -QUIT $$"}, signal: unix.SIGQUIT},
		{name: "alarm", args: []string{"sh", "-c", "kill -ALRM $$"}, signal: unix.SIGALRM},
		{name: "real-time", args: []string{"sh", "-c", "kill -64 $$"}, signal: 64},
		{name: "script without interpreter line", args: []string{write("script", "exit 9", 0o755)}, status: 9},
		{name: "not found", args: []string{"no-such-command"}, status: 127, stderr: `^rock: no-such-command: .*not found`},
		{name: "no such path", args: []string{"./no/such"}, status: 127, stderr: `^rock: ./no/such: .*not found`},
		{name: "not executable", args: []string{write("data", "x", 0o644)}, status: 126, stderr: `^rock: .*/data: .*permission denied`},
		{name: "directory", args: []string{dir}, status: 126, stderr: `^rock: .*permission denied`},
		{name: "no command", status: 125, stderr: `^rock: which command\? .*`},
		{name: "unknown option", args: []string{"--frob", "true"}, status: 125, stderr: `^rock: unknown flag: --frob; see rock --help`},
		{name: "bad name", args: []string{"--name", "a b", "true"}, status: 125, stderr: `^rock: --name: .*`},
		{name: "log that cannot be", args: []string{"--log", "/no/such/log", "true"}, status: 125, stderr: `^rock: --log: .*no such file`},
		{name: "remote of something else", args: []string{"-d", "alice", "make"}, status: 125, stderr: `^rock: -d goes with ssh or scp.*`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr strings.Builder
			cmd := exec.Command(rockPath, tt.args...)
			cmd.Stderr = &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			ws := unix.WaitStatus(0)
			if exit != nil {
				ws = unix.WaitStatus(exit.Sys().(syscall.WaitStatus))
			}
			if got := ws.Signaled(); got != (tt.signal != 0) || got && ws.Signal() != tt.signal {
				t.Errorf("got status %#x, want signal %v", ws, tt.signal)
			}
			if !ws.Signaled() && ws.ExitStatus() != tt.status {
				t.Errorf("got exit status %d, want %d", ws.ExitStatus(), tt.status)
			}
			got := stderr.String()
			if tt.stderr == "" && got != "" || !regexp.MustCompile(tt.stderr).MatchString(got) || strings.Count(got, "\n") > 1 {
				t.Errorf("standard error: got %q, want one line %q", got, tt.stderr)
			}
		})
	}
}
