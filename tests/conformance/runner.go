package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// runner runs suites.
type runner struct {
	rock    string // the program
	dir     string // for everything that lasts
	verbose bool
}

// side is what of a suite runs under rock.
type side int

const (
	native  side = iota
	whole        // the command, with all that it starts
	clients      // the suite's command starts clients and servers, and puts rock before some
	servers
	both
)

func (s side) String() string {
	return [...]string{"without rock", "under rock", "clients", "servers", "both"}[s]
}

// course is how a run went.
type course struct {
	results
	side  side
	took  time.Duration
	limit time.Duration // at which it was ended, or 0
	rocks int           // connections that were rocks
}

// isolated has a command run in a network with nothing but a loopback interface, and as one of processes that end with it. It is
// not the first of them, which is a shell, to bury those whose parents have ended. sshd wants a directory /run/sshd.
var isolated = []string{"unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
	"sh", "-c", `ip link set lo up && mount -t tmpfs tmpfs /run && mkdir /run/sshd || exit; "$@"; exit $?`, "conformance"}

// run runs tests of a suite, all if none is named, and returns what became of them. How the command ends does not matter: it is the
// tests that count.
func (r *runner) run(ctx context.Context, s *suite, tests []string, side side) (*course, error) {
	runtime := filepath.Join(r.dir, "runtime")
	work, err := os.MkdirTemp(r.dir, "work-")
	if err == nil {
		err = errors.Join(os.MkdirAll(runtime, 0o700), os.Chmod(work, 0o711)) // PostgreSQL is not root
	}
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	log := filepath.Join(work, "rock.log")
	rock := []string{r.rock, "--log", log}
	argv := slices.Clone(isolated)
	if side == whole {
		argv = append(argv, rock...)
	}
	argv = append(argv, s.command(r.dir, tests)...)
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	cmd.Dir = s.dir
	if s.dir == "" {
		cmd.Dir = filepath.Join(work, "here")
		if err := os.Mkdir(cmd.Dir, 0o711); err != nil {
			return nil, err
		}
	}
	cmd.Env = append(os.Environ(), "ROCK_RUNTIME_DIR="+runtime, "TMPDIR="+work, "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, side.environ(rock)...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && limited.Err() == nil {
		return nil, err
	}
	if r.verbose {
		_, _ = os.Stderr.Write(out.Bytes())
	}
	logged, _ := os.ReadFile(log) // there is none without rock
	c := &course{results: s.parse(out.String()), side: side, took: time.Since(began), rocks: len(established.FindAll(logged, -1))}
	if limited.Err() != nil {
		c.limit = s.limit
		fmt.Fprintf(os.Stderr, "%s has not ended in %v, %v; it last printed\n%s\n%s\n", s.name, s.limit, side, tail(out.Bytes()), tail(logged))
	}
	return c, nil
}

// established is what rock's log says of a rock at the client's end, once.
var established = regexp.MustCompile(`msg="rock established" .*role=client generation=1 `)

// environ tells a command that starts clients and servers what to put before them. No client takes longer than a minute.
func (s side) environ(rock []string) []string {
	client, server := "timeout -k 5 60", ""
	if s == both || s == clients {
		client += " " + strings.Join(rock, " ")
	}
	if s == both || s == servers {
		server = strings.Join(rock, " ")
	}
	return []string{"CLIENT=" + client, "SERVER=" + server}
}

// tail is the end of what something has printed.
func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// explained runs a command and has the error say what it printed.
func explained(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
