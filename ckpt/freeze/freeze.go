package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	shortest = 100 * time.Microsecond // first pause; most groups are frozen after it
	longest  = 5 * time.Millisecond
	roundAt  = 50 // so many looks in vain until version 1 is thawed and frozen anew

	// settle is for thawing what would not freeze, and for the last processes to be gone.
	settle = 2 * time.Second
)

// pause is the waiting between looks at a cgroup, ever longer.
type pause struct{ d time.Duration }

// wait blocks for the next pause. It blocks the thread, since the runtime's timers
// are as coarse as a millisecond when nothing else runs, and that would be added to each time that
// a group is frozen.
func (p *pause) wait() {
	p.d = min(max(shortest, p.d*5/4), longest)
	ts := unix.NsecToTimespec(int64(p.d))
	_ = unix.Nanosleep(&ts, nil) // a signal only shortens it
}

// Freeze freezes the group and returns when it is frozen. Meanwhile nudge is called again and
// again, first at once: it ends what keeps tasks from freezing. It may be nil.
//
// If ctx ends before, the group is thawed and the error is a [*StuckError] with the tasks that would not
// freeze. A group that this process is in is refused.
func (g *Group) Freeze(ctx context.Context, nudge func()) error {
	release, err := g.acquire(ctx)
	if err != nil {
		return &StuckError{"freeze", g.path, nil, err}
	}
	defer release()
	if err := g.refuseOwn("freeze"); err != nil {
		return err
	}
	err = g.freeze(ctx, nudge)
	if err == nil {
		return nil
	}
	stuck, ok := errors.AsType[*StuckError](err)
	var before []Task
	if ok {
		before = g.tasks()
	}
	// However long ctx had, it must not stay half frozen.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if thawErr := g.thaw(bounded); thawErr != nil {
		return fmt.Errorf("%w; and then: %w", err, thawErr)
	}
	if ok {
		stuck.Tasks = unfrozen(g.Version(), before, g.tasks())
	}
	return err
}

func (g *Group) freeze(ctx context.Context, nudge func()) error {
	const op = "freeze cgroup"
	if err := g.control.set(true); err != nil {
		return fail(op, g.path, err)
	}
	var p pause
	for look := 1; ; look++ {
		if nudge != nil {
			nudge()
		}
		frozen, err := g.control.frozen()
		if err != nil {
			return fail(op, g.path, err)
		}
		if frozen {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return &StuckError{"freeze", g.path, nil, err}
		}
		p.wait()
		again := g.control.again
		if look%roundAt == 0 {
			again = g.control.round
		}
		if err := again(); err != nil {
			return fail(op, g.path, err)
		}
	}
}

// Thaw lets the group go on, and returns when it does. It is no error if it was not
// frozen. It cannot be while a cgroup above is frozen; then Thaw waits until ctx ends.
func (g *Group) Thaw(ctx context.Context) error {
	release, err := g.acquire(ctx)
	if err != nil {
		return &Error{"thaw cgroup", g.path, err, ""}
	}
	defer release()
	return g.thaw(ctx)
}

func (g *Group) thaw(ctx context.Context) error {
	const op = "thaw cgroup"
	if err := g.control.set(false); err != nil {
		return fail(op, g.path, err)
	}
	for p := (pause{}); ; p.wait() {
		thawed, err := g.control.thawed()
		if err != nil {
			return fail(op, g.path, err)
		}
		if thawed {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return &Error{op, g.path, fmt.Errorf("still frozen: %w", err), "thaw the cgroups above it"}
		}
	}
}

// Frozen says whether all tasks of the group are frozen at this moment, by this cgroup or by one above.
// In version 2 that is not so for a moment if one of them is killed or traced.
func (g *Group) Frozen() (bool, error) {
	frozen, err := g.control.frozen()
	if err != nil {
		return false, fail("look at cgroup", g.path, err)
	}
	return frozen, nil
}

// refuseOwn fails if this process is in the group.
func (g *Group) refuseOwn(op string) error {
	pids, err := g.Pids()
	if err != nil {
		return err
	}
	if slices.Contains(pids, os.Getpid()) {
		return &Error{op + " cgroup", g.path, errors.New("this process is in it itself"), "give the group a cgroup of its own"}
	}
	return nil
}
