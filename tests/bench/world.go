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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt"
	"rock/ckpt/criu"
)

// patience is how long anything may take.
const patience = 60 * time.Second

// world is where everything of the benchmark lives: a directory, and all processes below this one.
type world struct {
	bin, dir string
	criu     criu.Tool
	made     int // directories so far
}

// newWorld makes one. Processes whose parents end become children of this process, so that none is lost.
func newWorld(bin string) (*world, error) {
	tool, err := criu.Find(os.Getenv)
	if err != nil {
		return nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper: %w", err)
	}
	// What this process has inherited, a pipe maybe, would make its children impossible to checkpoint.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("keep descriptors to myself: %w", err)
	}
	dir, err := os.MkdirTemp("", "rock-bench-")
	if err != nil {
		return nil, err
	}
	return &world{bin: bin, dir: dir, criu: tool}, nil
}

// newDir makes a directory in that of the world.
func (w *world) newDir() (string, error) {
	w.made++
	dir := filepath.Join(w.dir, strconv.Itoa(w.made))
	return dir, os.Mkdir(dir, 0o700)
}

// command is a command in a session of its own, so that Ctrl-C is only for this process, on the host whose
// runtime directory is given.
func (w *world) command(ctx context.Context, runtime string, argv ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "ROCK_RUNTIME_DIR="+runtime)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c
}

// timed runs a command to its end and returns how long that took.
func (w *world) timed(ctx context.Context, runtime string, argv ...string) (time.Duration, error) {
	said, err := os.CreateTemp(w.dir, "") // no pipe: whoever stays in the background would keep it open
	if err != nil {
		return 0, err
	}
	defer said.Close()
	c := w.command(ctx, runtime, argv...)
	c.Stdout, c.Stderr = said, said
	began := time.Now()
	err = c.Run()
	took := time.Since(began)
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, text)
	}
	return took, nil
}

// clear ends all processes of the world, removes what they had, and returns when nothing is left.
func (w *world) clear() error {
	for _, cell := range w.cells() {
		_ = ckpt.Rescue(cell) // nobody dies while frozen
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		pids, err := children()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
		if len(pids) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", pids)
		}
	}
	var errs []error
	for _, cell := range w.cells() {
		errs = append(errs, os.Remove(cell))
	}
	return errors.Join(errs...)
}

// cells lists the cgroups of groups that were not removed by their supervisors.
func (w *world) cells() (cells []string) {
	groups, _ := filepath.Glob(filepath.Join(w.dir, "*", "run", "*"))
	for _, g := range groups {
		for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"} {
			found, _ := filepath.Glob(filepath.Join(top, "rock-"+filepath.Base(g)+"-*"))
			cells = append(cells, found...)
		}
	}
	return cells
}

// close removes everything.
func (w *world) close() error {
	return errors.Join(w.clear(), os.RemoveAll(w.dir))
}

// children lists the processes whose parent is this one.
func children() ([]int, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(all) == 0 {
		return nil, fmt.Errorf("list processes: none in /proc (%v)", err)
	}
	var pids []int
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		stat := string(b)
		var pid, parent int
		var state string
		fmt.Sscan(stat, &pid)
		fmt.Sscan(stat[strings.LastIndexByte(stat, ')')+1:], &state, &parent)
		if parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// until waits for the condition.
func until(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not seen in %v: %s", patience, what))
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
