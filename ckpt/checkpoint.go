package ckpt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rock/ckpt/criu"
	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/rocks/group"
	"rock/rocks/group/supervise"
	"rock/rocks/interpose"
	"rock/rocks/interpose/seccomp"
)

const (
	freezeTime  = 10 * time.Second // for the group to stand still
	quiesceTime = 10 * time.Second // for its connections
)

// checkpoint is one checkpoint that is being made.
type checkpoint struct {
	subject  supervise.Subject
	options  group.CheckpointOptions
	progress func(group.Progress)
	to       Destination // nil: the image stays here
	tool     criu.Tool
	draft    *image.Draft
	looked   *survey.Survey
	terminal *image.Terminal

	suspension *interpose.Suspension // nil without rocks
	state      *interpose.State      // of the connections, when they are at rest
	aside      chan error            // what is written while CRIU dumps
	manifest   *image.Manifest
	calls      map[int]image.Call // by thread: those that are to be made anew
	kept       bool               // the image has its name

	began, frozen, quiet, dumped, ended time.Time
}

// Checkpoint writes a group into an image. After an error there is none, and the group goes on.
func (e Engine) Checkpoint(ctx context.Context, s supervise.Subject, o group.CheckpointOptions, progress func(group.Progress)) (*group.CheckpointReport, error) {
	c := &checkpoint{subject: s, options: o, progress: progress, began: time.Now()}
	if err := c.make(ctx, e); err != nil {
		return nil, err
	}
	defer c.draft.Abandon()
	if !o.LeaveRunning {
		return c.report(), c.bury()
	}
	if err := c.keep(ctx); err != nil {
		return nil, err
	}
	return c.report(), nil
}

// make looks whether all is well and dumps the group. After an error it goes on and the draft is gone.
func (c *checkpoint) make(ctx context.Context, e Engine) error {
	problems, err := c.look(e)
	if err != nil {
		return err
	}
	c.manifest = c.newManifest(e)
	if c.to == nil {
		err = preflight("checkpoint", problems)
	} else {
		if err = c.announce(ctx, problems); err == nil {
			err = c.to.Prepare(ctx)
		}
	}
	if err != nil {
		return err
	}
	if c.draft, err = image.Create(c.options.Dir); err != nil {
		return err
	}
	err = c.dump(ctx)
	if err != nil || c.options.LeaveRunning {
		err = errors.Join(err, c.goOn())
	}
	if err != nil {
		_ = c.draft.Abandon()
	}
	return err
}

// look returns everything that is in the way, while the group runs.
func (c *checkpoint) look(e Engine) ([]survey.Problem, error) {
	c.progress(group.Progress{Phase: "look"})
	problems, _ := survey.Capabilities()
	var err error
	if c.tool, err = criu.Find(e.Getenv); err != nil {
		problems = append(problems, survey.Problem{What: err.Error()})
	}
	pids, err := c.subject.Cell.Pids()
	if err != nil {
		return nil, fmt.Errorf("list the processes of the group: %w", err)
	}
	if c.looked, err = c.survey(pids, false); err != nil {
		return nil, err
	}
	if err := c.findTerminal(); err != nil {
		return nil, err
	}
	problems = append(problems, c.looked.Problems...)
	return append(problems, checkSpace(c.options.Dir, c.looked.Memory)...), nil
}

// survey looks at the processes.
func (c *checkpoint) survey(pids []int, frozen bool) (*survey.Survey, error) {
	o := survey.Options{
		Root: c.subject.Root, Pids: pids, Terminal: c.subject.Terminal, GhostLimit: ghostLimit, Frozen: frozen,
		TCPEstablished: c.options.TCPEstablished, TCPClose: !c.options.TCPEstablished,
	}
	o.Replaces = func(key string) bool { return slices.Contains(c.subject.Inherited, key) }
	if ip := c.subject.Interposer; ip != nil {
		o.OurSocket = func(pid, fd int, _ uint64) bool { return ip.Carries(interpose.Place{PID: pid, FD: fd}) }
	}
	return survey.Take(o)
}

// standStill freezes the group and brings its connections to rest.
func (c *checkpoint) standStill(ctx context.Context) error {
	c.progress(group.Progress{Phase: "freeze"})
	interrupt := func() {}
	if c.subject.Interposer != nil {
		interrupt = c.subject.Interposer.Interrupt
	}
	c.frozen = time.Now()
	limited, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	if err := c.subject.Cell.Freeze(limited, interrupt); err != nil {
		return err
	}
	if err := c.step(ctx, group.StepFrozen); err != nil {
		return err
	}
	pids, err := c.subject.Cell.Pids()
	if err != nil {
		return fmt.Errorf("list the processes of the group: %w", err)
	}
	// Before CRIU comes: it has descriptors of its own in the processes.
	looked := make(chan error, 1)
	go func() { looked <- c.lookAgain(pids) }()
	err = c.quiesce(ctx, pids)
	if err = errors.Join(err, <-looked); err != nil {
		return err
	}
	c.quiet = time.Now()
	c.aside = make(chan error, 1)
	go func() { c.aside <- c.writeConnections() }()
	return c.step(ctx, group.StepQuiet)
}

// step waits at a point for whoever wants to be asked there.
func (c *checkpoint) step(ctx context.Context, point string) error {
	if c.subject.Step == nil {
		return nil
	}
	return c.subject.Step(ctx, point)
}

// quiesce brings the group's connections to rest.
func (c *checkpoint) quiesce(ctx context.Context, pids []int) (err error) {
	ip := c.subject.Interposer
	if ip == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, quiesceTime)
	defer cancel()
	c.suspension, err = ip.Suspend(ctx, pids, c.options.TCPEstablished)
	return err
}

// dump has CRIU write the processes. The group is frozen when CRIU has started and looked at the kernel, which takes
// as long as all the rest for a small one.
func (c *checkpoint) dump(ctx context.Context) (err error) {
	work, done, err := workDir(c.subject.Logger)
	if err != nil {
		return err
	}
	defer func() { done(err) }()
	_, err = c.tool.Dump(ctx, c.criuOptions(work), func(e criu.Event) error {
		switch e.Script {
		case criu.PreDump:
			if err := c.standStill(ctx); err != nil {
				return err
			}
			c.progress(group.Progress{Phase: "dump"})
			if c.to != nil {
				c.to.Follow(ctx, c.draft.Path())
			}
		case criu.PostDump:
			return c.dumpedAll(ctx)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if c.kept {
		// CRIU died while it killed the processes. Some may be gone, so the group is what is in the image, and the
		// others go as well.
		c.subject.Logger.Warn("CRIU failed after the image was complete", "error", err)
		return nil
	}
	return fmt.Errorf("no %s: %w", c.what(), cause(err))
}

// dumpedAll is for when CRIU has written everything. Unless the processes are to go on the image is finished now, before
// they are killed.
func (c *checkpoint) dumpedAll(ctx context.Context) error {
	c.dumped = time.Now()
	if c.options.LeaveRunning {
		return nil
	}
	// Now CRIU holds them, which has thawed the cgroup. They would run on if it died.
	if err := c.subject.Cell.Freeze(ctx, nil); err != nil {
		return err
	}
	last := c.keep
	if c.to != nil {
		last = c.deliver
	}
	if err := last(ctx); err != nil {
		return err
	}
	c.subject.Ending()
	c.ended = time.Now()
	return nil
}

// keep finishes the image: nothing of it can be lost from then on.
func (c *checkpoint) keep(ctx context.Context) error {
	if err := c.complete(); err != nil {
		return err
	}
	err := c.draft.Complete(ctx, c.manifest, func(done, total int64) {
		c.progress(group.Progress{Phase: "write", Done: done, Total: total})
	})
	if err != nil {
		return err
	}
	if err := c.step(ctx, group.StepReady); err != nil {
		return err
	}
	err = c.draft.Place(ctx)
	c.kept = err == nil
	return err
}

// complete brings CRIU's images into the form in which they are restored, when the rest is written too.
func (c *checkpoint) complete() error {
	if err := <-c.aside; err != nil {
		return err
	}
	if _, err := image.StripFilter(c.draft.Path(), seccomp.IsFilter); err != nil {
		return err
	}
	if _, err := image.WindTimers(c.draft.Path()); err != nil {
		return err
	}
	if err := c.restartCalls(); err != nil {
		return err
	}
	c.fillStats()
	return nil
}

// goOn puts everything together again and lets the group run.
func (c *checkpoint) goOn() error {
	var err error
	if c.suspension != nil {
		err = c.suspension.Resume()
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if callsErr := c.restartCalls(); c.options.LeaveRunning && !c.dumped.IsZero() { // else there may be only half of the images
		err = errors.Join(err, callsErr)
	}
	err = errors.Join(err, letGo(ctx, c.subject.Cell, c.calls))
	c.ended = time.Now()
	return err
}

// restartCalls finds the calls of threads that the checkpoint has interrupted, and has the images go on with them. It does
// so once: before the images have their name, or the threads run again.
func (c *checkpoint) restartCalls() (err error) {
	if c.calls == nil {
		c.calls, err = image.RestartCalls(c.draft.Path())
	}
	return err
}

// bury gives up what is left of a group that is in the image.
func (c *checkpoint) bury() error {
	if c.suspension != nil {
		c.suspension.Abandon()
	}
	where := "the image " + c.options.Dir + " is complete"
	if c.to != nil {
		where = "the group is on the other host"
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if err := c.subject.Cell.Kill(ctx); err != nil {
		return fmt.Errorf("%s, but processes of it are left here: %w", where, err)
	}
	return nil
}
