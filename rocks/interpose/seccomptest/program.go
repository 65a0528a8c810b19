// Package seccomptest runs the test binary itself as a program under the filter
// of package seccomp, so that tests of trapped calls need no other program.
//
// A test package calls [Main] from TestMain with its programs, functions that
// make system calls and print what came of them, and [Start] from its tests.
package seccomptest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rock/rocks/interpose/seccomp"
)

// Environment variables that tell a copy of the test binary what it is.
const (
	envProgram = "ROCK_TEST_PROGRAM"
	envNobody  = "ROCK_TEST_NOBODY"
	envStrict  = "ROCK_TEST_STRICT"
)

// Main runs the named program if this is a copy of the test binary that is to be
// one, else the tests. It does not return.
func Main(m *testing.M, programs map[string]func()) {
	name := os.Getenv(envProgram)
	if name == "" {
		os.Exit(m.Run())
	}
	f := programs[name]
	if f == nil {
		fmt.Println("no such program:", name)
		os.Exit(3)
	}
	f()
	os.Exit(0)
}

// IsProgram says that this is a copy of the test binary that is to be a program.
func IsProgram() bool { return os.Getenv(envProgram) != "" }

// A Program is a copy of the test binary under the filter.
type Program struct {
	*os.Process
	Listener *seccomp.Listener

	t     testing.TB
	stdin *os.File
	out   *bufio.Reader
	serve sync.WaitGroup
	once  sync.Once
	state *os.ProcessState
}

// Binary returns a path that executes the test binary, also for a user who
// cannot enter the directory that it is in.
func Binary() string { return "/proc/self/exe" }

// Command returns the process that is the named program. Its standard error is the test's.
func Command(program string, args ...string) seccomp.Process {
	env := []string{
		envProgram + "=" + program,
		"GORACE=atexit_sleep_ms=0", // the race detector would hold up every exit for a second
	}
	return seccomp.Process{
		Path: Binary(),
		Args: append([]string{program}, args...),
		Env:  append(env, os.Environ()...), // the first one counts
	}
}

// Start starts the named program, whose arguments are os.Args[1:] there. It is
// killed at the end of the test if it still runs.
func Start(t testing.TB, program string, args ...string) *Program {
	t.Helper()
	return StartProcess(t, Command(program, args...))
}

// StartProcess starts any command under the filter with its standard input and
// output connected to the Program.
func StartProcess(t testing.TB, cmd seccomp.Process) *Program {
	t.Helper()
	stdin, in := pipe(t)
	out, stdout := pipe(t)
	cmd.Files = append([]*os.File{stdin, stdout, os.Stderr}, cmd.Files...)
	proc, l, err := seccomp.Start(cmd)
	stdin.Close()
	stdout.Close()
	if err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	p := &Program{Process: proc, Listener: l, t: t, stdin: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = proc.Kill()
		p.Wait()
		in.Close()
		out.Close()
		l.Close()
	})
	return p
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// Say writes a line to the program.
func (p *Program) Say(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		p.t.Fatalf("say %q: %v", line, err)
	}
}

// Line reads the program's next line; it fails the test at the end of output.
func (p *Program) Line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("read line of program: %v (got %q)", err, s)
	}
	return strings.TrimSuffix(s, "\n")
}

// Serve answers with f on n receivers until the last task has ended.
func (p *Program) Serve(n int, f func(seccomp.Call)) {
	for range n {
		p.serve.Add(1)
		seccomp.Locked(func() {
			defer p.serve.Done()
			for {
				c, err := p.Listener.Receive()
				if errors.Is(err, seccomp.ErrEnded) {
					return
				}
				if err != nil {
					p.t.Errorf("receive: %v", err)
					return
				}
				f(c)
			}
		})
	}
}

// Call receives one call of the given number; any other is continued.
func (p *Program) Call(nr int32) seccomp.Call {
	p.t.Helper()
	for {
		c, err := p.Listener.Receive()
		if err != nil {
			p.t.Fatalf("receive: %v", err)
		}
		if c.Nr == nr {
			return c
		}
		if err := p.Listener.Continue(c); err != nil {
			p.t.Errorf("continue: %v", err)
		}
	}
}

// Wait closes the program's standard input, waits for its end and for that of
// the receivers, and returns its state.
func (p *Program) Wait() *os.ProcessState {
	p.once.Do(func() {
		p.stdin.Close()
		p.state, _ = p.Process.Wait()
		p.serve.Wait()
	})
	return p.state
}

// Succeed waits and fails the test if the program did not exit with 0.
func (p *Program) Succeed() {
	p.t.Helper()
	if s := p.Wait(); s == nil || !s.Success() {
		p.t.Errorf("program ended with %v, want success", s)
	}
}

// Signaled waits and returns the signal that killed the program, 0 if none did.
func (p *Program) Signaled() syscall.Signal {
	if ws, ok := p.Wait().Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}
