package front

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// terminal is an interactive shell on a terminal, as a person has it.
type terminal struct {
	t     *testing.T
	pty   *os.File
	cmd   *exec.Cmd
	modes unix.Termios // at the beginning
	slave *os.File     // only of onTerminal
	mu    sync.Mutex
	cond  sync.Cond
	out   []byte // not yet expected
	all   bytes.Buffer
	gone  bool
}

// startTerminal starts a shell, in whose PATH rock is.
func startTerminal(t *testing.T, shell ...string) *terminal {
	t.Helper()
	cmd := exec.Command(shell[0], shell[1:]...)
	cmd.Env = append(os.Environ(), "PS1=ready> ", "HISTFILE=", "TERM=dumb", "INPUTRC=/dev/null",
		"PATH="+filepath.Dir(rockPath)+":"+os.Getenv("PATH"))
	f, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	x := newTerminal(t, f, cmd)
	x.expect(`ready> $`)
	x.modes = modesOf(t, f)
	return x
}

// newTerminal is for a command that has been started on a terminal.
func newTerminal(t *testing.T, f *os.File, cmd *exec.Cmd) *terminal {
	x := &terminal{t: t, pty: f, cmd: cmd}
	x.cond.L = &x.mu
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.read()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			ps, _ := exec.Command("ps", "-o", "pid,ppid,pgid,tpgid,stat,pending,wchan:20,args", "-s", fmt.Sprint(cmd.Process.Pid)).Output()
			t.Logf("processes:\n%s", ps)
		}
		_ = exec.Command("pkill", "-KILL", "-s", fmt.Sprint(cmd.Process.Pid)).Run() // stopped jobs too
		_ = cmd.Wait()
		_ = f.Close()
		<-done
		if t.Failed() {
			t.Logf("terminal showed:\n%s", x.all.String())
		}
	})
	return x
}

func (x *terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := x.pty.Read(b)
		x.mu.Lock()
		x.out = append(x.out, b[:n]...)
		x.all.Write(b[:n])
		x.gone = err != nil
		x.cond.Broadcast()
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until the terminal shows what matches, and returns it with its groups.
func (x *terminal) expect(pattern string) []string {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.AfterFunc(20*time.Second, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.gone = true
		x.cond.Broadcast()
	})
	defer late.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		if m := re.FindSubmatchIndex(x.out); m != nil {
			var groups []string
			for i := 0; i < len(m); i += 2 {
				groups = append(groups, string(x.out[m[i]:m[i+1]]))
			}
			x.out = x.out[m[1]:]
			return groups
		}
		if x.gone {
			x.t.Fatalf("terminal does not show %q; it shows %q", pattern, x.out)
		}
		x.cond.Wait()
	}
}

// send types.
func (x *terminal) send(keys string) {
	x.t.Helper()
	if _, err := x.pty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// run types a command line and waits for the next prompt; it returns what is shown between.
func (x *terminal) run(line string) string {
	x.t.Helper()
	x.send(line + "\r")
	x.expect(regexp.QuoteMeta(line) + `\r?\n`)
	return x.expect(`(?s)^(.*?)ready> $`)[1]
}

// foreground runs a command line in the foreground that says "go" when it is ready.
func (x *terminal) foreground(line string) {
	x.t.Helper()
	x.send(line + "\r")
	x.expect(`\ngo\r\n`)
}

// settle waits until no front is just about to go on after a stop. Whoever types Ctrl-Z faster than
// that on a loaded machine gets it, but not by way of the command.
func (x *terminal) settle() {
	x.t.Helper()
	pids, _ := exec.Command("pgrep", "-x", "-s", fmt.Sprint(x.cmd.Process.Pid), "rock").Output() // none is an error
	for _, pid := range strings.Fields(string(pids)) {
		for {
			b, err := os.ReadFile("/proc/" + pid + "/status")
			if err != nil {
				x.t.Fatal(err)
			}
			m := regexp.MustCompile(`SigCgt:\t(\w+)`).FindSubmatch(b)
			caught, err := stage.ParseSigset(string(m[1]))
			if err != nil {
				x.t.Fatal(err)
			}
			if caught.Has(unix.SIGTSTP) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

const (
	ctrlC = "\x03"
	ctrlZ = "\x1a"
	ctrlD = "\x04"
	ctrlQ = "\x1c" // quit
)

// shells are those that the tests drive, as far as they are installed.
var shells = [][]string{{"bash", "--norc", "--noprofile", "-i"}, {"dash", "-i"}, {"zsh", "-fi"}}

// prefixes run a program without rock, under it, and under it in a session of its own.
var prefixes = []string{"", "rock ", "rock -k "}

// eachShell runs a test in each shell, with rock and without: all must pass, for the test says what
// a user is used to.
func eachShell(t *testing.T, test func(t *testing.T, x *terminal, rock string)) {
	eachShellWith(t, prefixes, test)
}

func eachShellWith(t *testing.T, prefixes []string, test func(t *testing.T, x *terminal, rock string)) {
	for _, shell := range shells {
		for _, rock := range prefixes {
			t.Run(fmt.Sprintf("%s/%q", shell[0], strings.TrimSpace(rock)), func(t *testing.T) {
				if _, err := exec.LookPath(shell[0]); err != nil {
					t.Skip(err)
				}
				if rock == "rock -k " {
					needRoot(t)
				}
				test(t, startTerminal(t, shell...), rock)
			})
		}
	}
}

func TestStopAndContinue(t *testing.T) {
	eachShell(t, func(t *testing.T, x *terminal, rock string) {
		x.foreground(rock + `sh -c 'echo go; read a; echo "had $a"; exit 3'`)
		x.send(ctrlZ)
		x.expect(`(?i)(stopped|suspended)`)
		x.expect(`ready> $`)
		if got := x.run("jobs"); !regexp.MustCompile(`(?i)stopped|suspended`).MatchString(got) {
			t.Errorf("jobs: got %q, want it stopped", got)
		}
		x.send("fg\r")
		x.expect(`fg\r\n.*\n`)
		x.send("tea\r")
		x.expect(`had tea\r\n`)
		x.expect(`ready> $`)
		if got, want := x.run("echo status $?"), "status 3\r\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStopAgainAndAgain(t *testing.T) {
	eachShell(t, func(t *testing.T, x *terminal, rock string) {
		x.foreground(rock + `sh -c 'echo go; while read a; do echo "had $a"; done'`)
		for range 5 {
			x.send(ctrlZ)
			x.expect(`(?i)(stopped|suspended)`)
			x.expect(`ready> $`)
			x.send("fg\r")
			x.expect(`fg\r\n.*\n`)
			x.send("tea\r")
			x.expect(`had tea\r\n`)
			x.settle()
		}
		x.send(ctrlD)
		x.expect(`ready> $`)
	})
}

func TestBackground(t *testing.T) {
	eachShellWith(t, prefixes[:2], func(t *testing.T, x *terminal, rock string) {
		x.foreground(rock + `sh -c 'echo go; read a; echo "had $a"'`)
		x.send(ctrlZ)
		x.expect(`(?i)(stopped|suspended)`)
		x.expect(`ready> $`)
		x.run("bg") // it still wants to read, and so stops again
		for !regexp.MustCompile(`(?i)tty input|stopped`).MatchString(x.run("jobs")) {
		}
		x.send("fg\r")
		x.expect(`fg\r\n.*\n`)
		x.send("tea\r")
		x.expect(`had tea\r\n`)
		x.expect(`ready> $`)
	})
}

func TestInterrupt(t *testing.T) {
	for _, key := range []struct {
		name, key string
		status    int
	}{{"interrupt", ctrlC, 130}, {"quit", ctrlQ, 131}} {
		t.Run(key.name, func(t *testing.T) {
			eachShell(t, func(t *testing.T, x *terminal, rock string) {
				x.run("ulimit -c 0")
				x.foreground(rock + `sh -c 'echo go; exec sleep 1000'`)
				x.send(key.key)
				x.expect(`ready> $`)
				if got, want := x.run("echo status $?"), fmt.Sprintf("status %d\r\n", key.status); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		})
	}
}

func TestHandledInterrupt(t *testing.T) {
	eachShell(t, func(t *testing.T, x *terminal, rock string) {
		x.foreground(rock + `sh -c 'trap "echo caught" INT; echo go; read a; read b; echo "had $b"'`)
		x.send(ctrlC)
		x.expect(`caught\r\n`)
		x.send("one\r")
		x.send("two\r")
		x.expect(`had (one|two)\r\n`)
		x.expect(`(?s)^(.*)ready> $`)
	})
}

func TestPipeline(t *testing.T) {
	eachShell(t, func(t *testing.T, x *terminal, rock string) {
		x.foreground(rock + `sh -c 'echo go; read a; echo $a; exec 1>&-; read b' | ` + rock + `sh -c 'cat; echo end of input'`)
		x.send(ctrlZ)
		x.expect(`(?i)(stopped|suspended)`)
		x.expect(`ready> $`)
		x.send("fg\r")
		x.expect(`fg\r\n.*\n`)
		x.send("tea\r")
		// The end of input comes though the first program still runs. Under -k each has a terminal of its own, so that what
		// was typed may be shown after what came of it.
		x.expect(`tea\r\n(tea\r\nend of input|end of input\r\ntea)\r\n`)
		x.send("more\r")
		x.expect(`ready> $`)
	})
}

func TestInnerShell(t *testing.T) {
	for _, inner := range []string{"bash --norc --noprofile -i", "dash -i"} {
		t.Run(strings.Fields(inner)[0], func(t *testing.T) {
			eachShell(t, func(t *testing.T, x *terminal, rock string) {
				x.send("PS1='inner> ' " + rock + inner + "\r")
				x.expect(`inner> $`)
				x.send("sh -c 'echo go; read a; echo had $a; exit 5'\r")
				x.expect(`\ngo\r\n`)
				x.send(ctrlZ)
				x.expect(`(?i)stopped`)
				x.expect(`inner> $`)
				x.send("fg\r")
				x.expect(`fg\r\n.*\n`)
				x.send("tea\r")
				x.expect(`\nhad`)
				x.expect(`inner> $`)
				x.send("echo status $?\r")
				x.expect(`\nstatus 5\r\n`)
				x.expect(`inner> $`)
				x.foreground("sh -c 'echo go; exec sleep 1000'")
				x.send(ctrlC)
				x.expect(`inner> $`)
				x.send("exit 9\r")
				x.expect(`ready> $`)
				if got, want := x.run("echo status $?"), "status 9\r\n"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		})
	}
}

// TestSuspend stops an inner shell with its jobs, as `suspend` does, and goes back to it.
func TestSuspend(t *testing.T) {
	for _, inner := range []struct{ shell, suspend string }{
		{"bash --norc --noprofile -i", "suspend"},
		{"bash --norc --noprofile -i", "kill -STOP $$"},
		{"dash -i", "kill -STOP $$"},
	} {
		t.Run(strings.Fields(inner.shell)[0]+"/"+inner.suspend, func(t *testing.T) {
			eachShell(t, func(t *testing.T, x *terminal, rock string) {
				x.send("PS1='inner> ' " + rock + inner.shell + "\r")
				x.expect(`inner> $`)
				for range 2 {
					x.send(inner.suspend + "\r")
					x.expect(`(?i)(stopped|suspended)`)
					x.expect(`ready> $`)
					x.run("echo outer shell works")
					x.send("fg\r")
					x.expect(`(?s)fg\r\n.*inner> $`)
					x.send("echo inner $((40+2))\r")
					x.expect(`\ninner 42\r\n`)
					x.expect(`inner> $`)
				}
				x.send("exit\r")
				x.expect(`ready> $`)
			})
		})
	}
}

// TestInBackground starts a job in the background. It must not stop, and gets what is typed when it is in the foreground.
func TestInBackground(t *testing.T) {
	eachShellWith(t, prefixes[2:], func(t *testing.T, x *terminal, rock string) {
		before := x.run("stty -g")
		x.send(rock + `sh -c 'echo go; while read a; do echo "had $a"; done' &` + "\r")
		x.expect(`go\r\n`)
		x.send("\r")
		x.expect(`ready> $`)
		x.run("echo $((40+2))")
		if got := x.run("jobs"); !strings.Contains(strings.ToLower(got), "running") {
			t.Errorf("jobs: got %q, want it running", got)
		}
		x.send("fg\r")
		x.expect(`fg\r\n.*\n`)
		x.send("tea\r")
		x.expect(`had tea\r\n`)
		x.send(ctrlZ)
		x.expect(`(?i)(stopped|suspended)`)
		x.expect(`ready> $`)
		if got := x.run("stty -g"); got != before {
			t.Errorf("modes when stopped: got %q, want %q", got, before)
		}
		x.run("bg")
		x.run("kill -TSTP %1")
		for !regexp.MustCompile(`(?i)stopped|suspended`).MatchString(x.run("jobs")) {
		}
		x.send("fg\r")
		x.expect(`fg\r\n.*\n`)
		x.send("milk\r")
		x.expect(`had milk\r\n`)
		x.send("x" + ctrlC)
		x.expect(`ready> $`)
		if got := x.run("stty -g"); got != before {
			t.Errorf("modes at the end: got %q, want %q", got, before)
		}
	})
}

// TestFrontStopped stops the front by SIGSTOP, which it cannot see come, and continues it.
func TestFrontStopped(t *testing.T) {
	eachShellWith(t, prefixes[2:], func(t *testing.T, x *terminal, rock string) {
		before := x.run("stty -g")
		x.foreground(rock + `sh -c 'echo go; while read a; do echo "had $a"; done'`)
		for range 3 {
			out, err := exec.Command("pgrep", "-x", "-s", fmt.Sprint(x.cmd.Process.Pid), "rock").Output()
			if err != nil {
				t.Fatal(err)
			}
			var front int
			if _, err := fmt.Sscan(string(out), &front); err != nil {
				t.Fatal(err)
			}
			_ = unix.Kill(-front, unix.SIGSTOP)
			x.expect(`(?i)(stopped|suspended)`)
			x.expect(`ready> $`)
			if x.cmd.Args[0] == "dash" { // which does not do it by itself
				setModes(int(x.pty.Fd()), x.modes)
			}
			x.send("fg\r")
			x.expect(`fg\r\n.*\n`)
			x.send("tea\r")
			x.expect(`had tea\r\n`)
		}
		x.send(ctrlD)
		x.expect(`ready> $`)
		if got := x.run("stty -g"); got != before {
			t.Errorf("modes at the end: got %q, want %q", got, before)
		}
	})
}
