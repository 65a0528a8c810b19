package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rock/tests/bench/board"
)

const (
	port     = 7000
	busyRate = 4_000_000 // bytes per second, each way, over all connections

	// settle is for how long connections are used before they are dumped.
	settle = 300 * time.Millisecond
	// quiet is for how long nothing must have come at the peer until it is sure that nothing is under way.
	quiet = 150 * time.Millisecond
)

// scene is one process with its peer, which hold connections to each other.
type scene struct {
	w         *world
	sc        *scenario
	dir       string
	runtime   string // of the process's host
	job, peer *board.Board
	pid       int        // of the process, or of rock in front of it
	ended     chan error // how that has ended
}

// begin starts the peer and the process, and returns when they have used their connections for a while. The
// wrappers come before the commands.
func begin(ctx context.Context, w *world, sc *scenario, under, peerUnder []string) (_ *scene, err error) {
	s := &scene{w: w, sc: sc, ended: make(chan error, 1)}
	if s.dir, err = w.newDir(); err != nil {
		return nil, err
	}
	s.runtime = filepath.Join(s.dir, "run")
	if s.job, err = board.Create(s.board("job")); err != nil {
		return nil, err
	}
	if s.peer, err = board.Create(s.board("peer")); err != nil {
		return nil, errors.Join(err, s.job.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(s.explain(err), s.end())
		}
	}()
	if sc.Rocks > 0 {
		peer := w.command(ctx, filepath.Join(s.dir, "run-peer"), s.argv(peerUnder, "peer", "-listen")...)
		if err := s.start(peer, "peer"); err != nil {
			return nil, err
		}
		if err := until(ctx, "the peer listens", listening); err != nil {
			return nil, err
		}
	}
	job := w.command(ctx, s.runtime, s.argv(under, "job", "-dial")...)
	if err := s.start(job, "job"); err != nil {
		return nil, err
	}
	s.pid = job.Process.Pid
	go func() { s.ended <- job.Wait() }()
	n := int64(sc.Rocks)
	err = until(ctx, "all connections", func() bool {
		return s.job.Connected.Load() == n && s.peer.Connected.Load() == n && s.job.Tick.Load() > 0
	})
	if err != nil {
		return nil, err
	}
	return s, pause(ctx, settle)
}

func (s *scene) board(who string) string { return filepath.Join(s.dir, who+".board") }

// argv is the command line of one end.
func (s *scene) argv(under []string, who, how string) []string {
	argv := append(under[:len(under):len(under)], filepath.Join(s.w.bin, "conns"), "-board", s.board(who))
	if s.sc.Rocks > 0 {
		argv = append(argv, how, fmt.Sprintf("127.0.0.1:%d", port), "-conns", strconv.Itoa(s.sc.Rocks))
	}
	if s.sc.Busy {
		argv = append(argv, "-rate", strconv.Itoa(busyRate))
	}
	return argv
}

// start starts an end.
func (s *scene) start(c *exec.Cmd, who string) error {
	f, err := os.OpenFile(s.errors(who), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	c.Stderr = f
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", who, err)
	}
	return nil
}

func (s *scene) errors(who string) string { return filepath.Join(s.dir, who+".err") }

// explain adds what the ends have said to an error.
func (s *scene) explain(err error) error {
	if err == nil {
		return nil
	}
	for _, who := range []string{"job", "peer"} {
		if b, _ := os.ReadFile(s.errors(who)); len(b) > 0 {
			err = fmt.Errorf("%w\n%s: %s", err, who, b)
		}
	}
	return err
}

// end ends all that there is.
func (s *scene) end() error {
	return errors.Join(s.w.clear(), s.job.Close(), s.peer.Close(), os.RemoveAll(s.dir))
}

// gone waits until the process has ended by a dump.
func (s *scene) gone(ctx context.Context) error {
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// calm waits until nothing comes at the peer any more.
func (s *scene) calm(ctx context.Context) error {
	last, since := s.peer.Received(), time.Now()
	return until(ctx, "nothing comes at the peer", func() bool {
		if n := s.peer.Received(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > quiet
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listening says whether somebody listens on the peer's port, without connecting to it.
func listening() bool {
	b, err := os.ReadFile("/proc/net/tcp")
	return err == nil && strings.Contains(string(b), fmt.Sprintf(":%04X 00000000:0000 0A", port))
}

// running says whether the restored process has run.
func (s *scene) running() bool { return s.job.Ran.Load() >= s.job.Mark.Load() }

// ran is how long after the mark that was.
func (s *scene) ran() time.Duration { return time.Duration(s.job.Ran.Load() - s.job.Mark.Load()) }
