package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rock/tests/lab"
)

// Patience bounds every wait for something that should happen soon. It is long
// since the machine may be small and busy, not since anything may take so long.
const Patience = 60 * time.Second

// Spec says what to run.
type Spec struct {
	Host  *lab.Host
	Side  Side
	Name  string // on side Rock: the group is checkpointable, and this is its name
	Argv  []string
	Env   []string  // added to the environment
	Stdin io.Reader // nil: a pipe, see Proc.Stdin
	User  string    // who runs it (and rock), empty for root
	Dir   string
	Files []*os.File // descriptors 3 and up
	Attr  *syscall.SysProcAttr
	Tty   *os.File // standard input, output and error, instead of pipes
	// Its standard output and error are files, not pipes, so that they go with it to other hosts.
	// There is nothing on its standard input.
	Travels bool

	private  [2]string // a directory to be seen at another path, by this program only
	before   []string  // goes before all else
	restores bool      // it is rockctl restore, which gets a log
	log      string    // another log that is shown with it, empty for none
}

// Proc is a started program.
type Proc struct {
	Stdin io.WriteCloser // nil if the Spec brought one

	spec   Spec
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	log    string        // rock's, empty if there is none
	done   chan struct{} // closed when it has ended
	err    error         // of Wait, once done
	began  time.Time
}

// Result is what is left of an ended program.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status, 128+n for a signal
	Took           time.Duration
}

// RuntimeDir is the ROCK_RUNTIME_DIR of a host for a user.
func RuntimeDir(h *lab.Host, user string) string {
	if user == "" {
		user = "root"
	}
	return filepath.Join(h.Dir(), "rock-"+user)
}

// argv is the command line with everything that goes before the program.
func (s Spec) argv(t testing.TB, log string) []string {
	argv := s.Argv
	if s.Side == Rock {
		rock := []string{Program(t, "rock"), "--log", log}
		if s.Name != "" {
			rock = append(rock, "-k", "--name", s.Name)
		}
		argv = append(rock, argv...)
	}
	argv = append(slices.Clone(s.before), argv...)
	if s.User != "" {
		argv = append([]string{"setpriv", "--reuid=" + s.User, "--regid=" + groupOf(t, s.User), "--clear-groups"}, argv...)
	}
	if s.private[0] != "" {
		argv = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" "$1" && shift && exec "$@"`,
			s.private[0], s.private[1]}, argv...)
	}
	return argv
}

// Start starts the program; it ends with t at the latest.
func (s Spec) Start(t testing.TB) *Proc {
	t.Helper()
	p := &Proc{spec: s, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	runtime := RuntimeDir(s.Host, s.User)
	if s.Side == Rock {
		own(t, runtime, s.User)
		p.log = newLog(runtime)
	}
	if s.restores {
		own(t, runtime, s.User)
		p.log = newLog(runtime)
		s.Argv = append(slices.Clone(s.Argv), "--log", p.log)
	}
	argv := s.argv(t, p.log)
	if s.Travels {
		argv = append(p.files(t), argv...)
	}
	p.cmd = s.Host.Command(argv...)
	p.cmd.Dir = s.Dir
	p.cmd.Env = append(os.Environ(), "ROCK_RUNTIME_DIR="+runtime, "LC_ALL=C")
	if s.Name != "" || s.restores {
		p.cmd.Env = append(p.cmd.Env, "TMPDIR="+runtime) // logs of CRIU may stay there
	}
	p.cmd.Env = append(p.cmd.Env, s.Env...)
	p.cmd.ExtraFiles = s.Files
	p.cmd.SysProcAttr = s.Attr
	// Who holds the output open when the program is gone is found out by this.
	p.cmd.WaitDelay = 5 * time.Second
	p.connect(t)
	p.began = time.Now()
	if err := s.Host.Start(p.cmd); err != nil {
		t.Fatalf("%s: start %q: %v", s.Host.Name, s.Argv, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() { p.cleanUp(t) })
	return p
}

// files goes before a command line to make standard output and error files that are collected. They are opened on the host, as
// nothing can be saved there that was opened elsewhere.
func (p *Proc) files(t testing.TB) []string {
	dir := TempDir(t)
	p.stdout.collect(t, filepath.Join(dir, "stdout"))
	p.stderr.collect(t, filepath.Join(dir, "stderr"))
	return []string{"sh", "-c", `exec </dev/null >>"$0/stdout" 2>>"$0/stderr" && exec "$@"`, dir}
}

func (p *Proc) connect(t testing.TB) {
	if tty := p.spec.Tty; tty != nil {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, tty
		return
	}
	if p.spec.Travels {
		return // it has files instead
	}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if p.cmd.Stdin = p.spec.Stdin; p.spec.Stdin == nil {
		stdin, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.Stdin = stdin
	}
}

// Run runs the program to its end.
func (s Spec) Run(t testing.TB) Result {
	t.Helper()
	if s.Stdin == nil {
		s.Stdin = strings.NewReader("")
	}
	return s.Start(t).Wait(t)
}

// Output runs the program and returns what it printed; it must succeed.
func (s Spec) Output(t testing.TB) string {
	t.Helper()
	res := s.Run(t)
	if res.Code != 0 {
		t.Fatalf("%s: %q on side %s: exit status %d\n%s%s", s.Host.Name, s.Argv, s.Side, res.Code, res.Stdout, res.Stderr)
	}
	return res.Stdout
}

// Wait waits for the end of the program.
func (p *Proc) Wait(t testing.TB) Result {
	t.Helper()
	return p.WaitFor(t, Patience)
}

// WaitFor is Wait with another bound.
func (p *Proc) WaitFor(t testing.TB, patience time.Duration) Result {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s: %q on side %s has not ended after %v", p.spec.Host.Name, p.spec.Argv, p.spec.Side, patience)
	}
	if errors.Is(p.err, exec.ErrWaitDelay) {
		t.Errorf("%s: %q on side %s has ended but its output is held open", p.spec.Host.Name, p.spec.Argv, p.spec.Side)
	}
	state := p.cmd.ProcessState
	res := Result{Code: state.ExitCode(), Took: time.Since(p.began)}
	if ws := state.Sys().(syscall.WaitStatus); ws.Signaled() {
		res.Code = 128 + int(ws.Signal())
	}
	out, _ := p.stdout.snapshot()
	serr, _ := p.stderr.snapshot()
	res.Stdout, res.Stderr = string(out), string(serr)
	return res
}

// Ended is closed when the program has ended.
func (p *Proc) Ended() <-chan struct{} { return p.done }

// Stdout is what the program has written to its standard output so far.
func (p *Proc) Stdout() string {
	data, _ := p.stdout.snapshot()
	return string(data)
}

// Writes is closed when the program has written something to its standard output.
func (p *Proc) Writes() <-chan struct{} {
	data, more := p.stdout.snapshot()
	if len(data) == 0 {
		return more
	}
	written := make(chan struct{})
	close(written)
	return written
}

// Host is where the program runs.
func (p *Proc) Host() *lab.Host { return p.spec.Host }

// Pid is the process id of the program, or of the front process of its rock.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to that process.
func (p *Proc) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal %q: %v", p.spec.Argv, err)
	}
}

// Stop ends the program by SIGTERM and waits for its end.
func (p *Proc) Stop(t testing.TB) Result {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	return p.Wait(t)
}

// cleanUp ends the program whatever it is doing, and tells of it if t has failed.
func (p *Proc) cleanUp(t testing.TB) {
	select {
	case <-p.done:
	default:
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(2 * time.Second):
			p.cmd.Process.Kill()
			<-p.done
		}
	}
	if !t.Failed() {
		return
	}
	t.Logf("%s, %s: %q: %v\nstdout ends: %s\nstderr ends: %s", p.spec.Host.Name, p.spec.Side, p.spec.Argv,
		p.cmd.ProcessState, p.stdout.tail(1500), p.stderr.tail(1500))
	for _, name := range []string{p.log, p.spec.log} {
		if name == "" {
			continue
		}
		log, err := os.ReadFile(p.log)
		t.Logf("its log %s (%v) ends:\n%s", name, err, log[max(0, len(log)-4000):])
	}
}

// newLog is a name for a log of rock's.
func newLog(runtime string) string {
	return filepath.Join(runtime, fmt.Sprintf("log-%d", time.Now().UnixNano()))
}

// own makes a directory that belongs to a user, root if empty.
func own(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if name == "" {
		return
	}
	u := lookUp(t, name)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func groupOf(t testing.TB, name string) string { return lookUp(t, name).Gid }

func lookUp(t testing.TB, name string) *user.User {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
