package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// runner runs suites.
type runner struct {
	rock    string // the program
	dir     string // for everything that lasts
	verbose bool
}

// run runs tests of a suite, all if none is named, and returns what became of them. How the command ends does not matter: it is the
// tests that count.
func (r *runner) run(ctx context.Context, s *suite, tests []string, underRock bool) (results, time.Duration, error) {
	runtime := filepath.Join(r.dir, "runtime")
	work, err := os.MkdirTemp(r.dir, "work-")
	if err == nil {
		err = os.MkdirAll(runtime, 0o700)
	}
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(work)
	argv := s.command(r.dir, tests)
	log := filepath.Join(work, "rock.log")
	if underRock {
		argv = append([]string{r.rock, "--log", log}, argv...)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	if s.dir == "" {
		cmd.Dir = work
	}
	cmd.Env = append(os.Environ(), "ROCK_RUNTIME_DIR="+runtime, "TMPDIR="+work, "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		return nil, 0, err
	}
	if r.verbose {
		_, _ = os.Stderr.Write(out.Bytes())
	}
	if ctx.Err() != nil {
		fmt.Fprintf(os.Stderr, "%s has not ended in %v, under rock: %v; it last printed\n%s\n%s\n", s.name, s.limit, underRock, tail(out.Bytes()), logTail(log))
	}
	return s.parse(out.String()), time.Since(began), nil
}

// tail is the end of what something has printed.
func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

func logTail(name string) []byte {
	b, _ := os.ReadFile(name) // there is none without rock
	return tail(b)
}

// explained runs a command and has the error say what it printed.
func explained(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
