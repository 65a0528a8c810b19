package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Kill kills all processes in the group, frozen or not, and returns when none is left; the
// group is thawed then. Zombies may be left to their parents. If ctx ends before, the error is a
// [*StuckError]. A group that this process is in is refused.
func (g *Group) Kill(ctx context.Context) error {
	release, err := g.acquire(ctx)
	if err != nil {
		return &StuckError{"kill", g.path, nil, err}
	}
	defer release()
	if err := g.refuseOwn("kill"); err != nil {
		return err
	}
	for p := (pause{}); ; p.wait() {
		if err := g.killOnce(); err != nil {
			return fail("kill cgroup", g.path, err)
		}
		pids, err := g.Pids()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return &StuckError{"kill", g.path, g.tasks(), err}
		}
	}
}

// killOnce kills those that are in the group now. Whatever they forked meanwhile is for the next time.
func (g *Group) killOnce() error {
	if g.Version() == 2 {
		err := write(g.path, "cgroup.kill", "1")
		if err == nil {
			return g.control.set(false)
		}
		if !errors.Is(err, os.ErrNotExist) { // it is there since Linux 5.14
			return err
		}
	}
	// Frozen or on their way to it, they cannot fork faster than they are killed.
	if err := g.control.set(true); err != nil {
		return err
	}
	pids, err := g.Pids()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return g.thawAll()
}

// thawAll thaws the group, and in version 1 also what is frozen inside of it by its own doing:
// only thawed tasks die there.
func (g *Group) thawAll() error {
	if g.Version() == 2 {
		return g.control.set(false)
	}
	dirs, err := g.dirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := (v1{dir}).set(false); err != nil && (dir == g.path || !gone(err)) {
			return err
		}
	}
	return nil
}
