package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"rock/ckpt"
	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/files"
	"rock/migrate/stream"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
)

// source is the first half of a migration: where the group is, and is to end.
type source struct {
	subject  supervise.Subject
	options  group.MigrateOptions
	dialogue group.Dialogue
	rock     string

	link io.Closer
	conn *stream.Conn
	line *line

	ctx    context.Context // ends when it is given up
	hold   func() bool     // keeps the link open whatever becomes of ctx, and says whether it still was
	cancel context.CancelCauseFunc

	memory  int64         // of the group, about
	ahead   *ahead        // nil: nothing was sent ahead
	sending *sending      // nil before the dump
	files   *files.Sender // nil: none come along
	bundle  *files.Bundle
	verdict verdict
	resume  []netip.AddrPort
	done    done
}

func newSource(ctx context.Context, s supervise.Subject, o group.MigrateOptions, link io.ReadWriteCloser, d group.Dialogue, rock string) *source {
	x := &source{subject: s, options: o, dialogue: d, rock: rock, link: link, conn: stream.New(link, link)}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	return x
}

// run migrates the group.
func (x *source) run(e ckpt.Engine) (out *ckpt.HandedOver, err error) {
	x.hold = context.AfterFunc(x.ctx, func() { x.link.Close() })
	defer func() {
		x.hold()
		x.cancel(nil)
		x.link.Close()
		if x.line != nil {
			x.line.wait()
		}
	}()
	x.dialogue.Progress(group.Progress{Phase: "connect"})
	if err := x.conn.Hello(); err != nil {
		return nil, x.why(fmt.Errorf("reach rockctl on %s: %w", x.options.Host, err))
	}
	if x.hold() {
		x.hold = context.AfterFunc(x.ctx, x.breakOff)
	}
	x.line = newLine(x.conn, x.cancel)
	staging := StagingDir(e.Getenv) + "/rock-leave" // drafts of it that others have left are removed
	out, err = e.HandOver(x.ctx, x.subject, group.CheckpointOptions{Dir: staging}, x, x.dialogue.Progress)
	if err != nil && out == nil {
		err = x.why(err)
		x.giveUp(err)
	}
	return out, err
}

// why prefers the reason for which it was given up to what that led to. A verdict is one, although the target hangs up then.
func (x *source) why(err error) error {
	var looked *lookedError
	var refused *ckpt.PreflightError
	if errors.As(err, &looked) || errors.As(err, &refused) {
		return err
	}
	if cause := context.Cause(x.ctx); cause != nil && !errors.Is(err, cause) {
		return cause
	}
	return err
}

// breakOff ends what waits for the target, and tells it why unless it does not listen.
func (x *source) breakOff() {
	if cause := context.Cause(x.ctx); cause != errSilent {
		x.giveUp(cause)
	}
	x.link.Close()
}

// farewell is how long the target may take to be told that nothing comes.
const farewell = time.Second

// giveUp tells the target, if it can be told.
func (x *source) giveUp(why error) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = x.conn.Send(kindAbort, abort{Reason: why.Error()})
	}()
	select {
	case <-told:
	case <-time.After(farewell):
	}
}

// Announce asks the target whether the group can live there.
func (x *source) Announce(ctx context.Context, m *image.Manifest, memory int64, problems []survey.Problem) error {
	x.dialogue.Progress(group.Progress{Phase: "look"})
	bundle, missing := x.lookForFiles(m)
	problems = append(problems, missing...)
	o := offer{Files: bundle, Token: x.options.Token, Rock: x.rock, Manifest: *m, Memory: memory, Localhost: x.options.Localhost,
		DryRun: x.options.DryRun, Clock: time.Now()}
	if err := x.conn.Send(kindOffer, o); err != nil {
		return err
	}
	if err := x.line.expect(ctx, kindVerdict, &x.verdict, nil); err != nil {
		return err
	}
	for _, p := range x.verdict.Problems {
		p.What = "on " + x.options.Host + ": " + p.What
		problems = append(problems, p)
	}
	if x.options.DryRun {
		return &lookedError{host: x.verdict.Host, memory: memory, bundle: bundle, processes: len(m.Processes), problems: problems, warnings: x.verdict.Warnings}
	}
	if len(problems) > 0 {
		return &ckpt.PreflightError{What: "migration", Problems: problems}
	}
	x.memory = memory
	return nil
}

// Prepare sends files ahead, and memory if it is large enough.
func (x *source) Prepare(ctx context.Context) error {
	if err := x.filesAhead(ctx); err != nil {
		return err
	}
	if x.memory < leastAhead || x.verdict.Room == 0 {
		return nil
	}
	x.ahead = newAhead(x.verdict.Room, os.Getpagesize())
	return x.ahead.send(ctx, liveMemory{x.subject.Cell.Pids}, x.conn, x.line, func(read int64) {
		x.dialogue.Progress(group.Progress{Phase: "copy", Done: read, Total: x.memory})
	})
}

// Follow sends memory while CRIU writes it.
func (x *source) Follow(ctx context.Context, dir string) {
	x.line.hurry(silence)
	x.sending = newSending(ctx, x.conn, dir, x.ahead)
}

// Deliver sends the rest and hands the group over.
func (x *source) Deliver(ctx context.Context, dir string, m *image.Manifest) error {
	if err := x.deliver(ctx, m); err != nil {
		return err
	}
	x.dialogue.Progress(group.Progress{Phase: "commit"})
	return x.commit()
}

// deliver does all that can fail and be given up.
func (x *source) deliver(ctx context.Context, m *image.Manifest) error {
	x.dialogue.Progress(group.Progress{Phase: "send", Done: m.Stats.PageBytes, Total: m.Stats.PageBytes})
	if err := x.sending.rest(ctx); err != nil {
		return err
	}
	if err := x.restOfFiles(ctx, m); err != nil {
		return err
	}
	all := complete{Manifest: *m}
	all.Manifest.Sums = x.sending.sums
	if err := x.conn.Send(kindComplete, all); err != nil {
		return err
	}
	var r ready
	if err := x.line.expect(ctx, kindReady, &r, x.dialogue.Progress); err != nil {
		return err
	}
	x.resume = r.Resume
	if x.subject.Step != nil {
		return x.subject.Step(ctx, group.StepReady)
	}
	return nil
}

const (
	// doneTime is how long a target may take to let a group run whose processes are all there.
	doneTime = 20 * time.Second
	// doubtTime is how long it may be silent at this. It is longer than a target waits for commit, so that it is decided there by then.
	doubtTime = 5 * time.Second
)

// commit makes the target the owner. After it only one question is open: whether it knows.
func (x *source) commit() error {
	if err := x.subject.Cell.Mark(); err != nil {
		return fmt.Errorf("note that the group goes elsewhere: %w", err)
	}
	// From here on it is not given up any more, if the client leaves for instance.
	ctx, silent := context.WithCancelCause(context.WithoutCancel(x.ctx))
	ctx, cancel := context.WithTimeout(ctx, doneTime)
	defer cancel()
	x.line.commit(doubtTime, silent)
	if !x.hold() {
		return errors.Join(context.Cause(x.ctx), x.subject.Cell.Unmark())
	}
	defer context.AfterFunc(ctx, func() { x.link.Close() })()
	if err := x.subject.Guard.Tell(stage.PhaseDeciding); err != nil {
		return errors.Join(err, x.subject.Cell.Unmark())
	}
	err := x.conn.Send(kindCommit, nil)
	if err == nil {
		err = x.line.expect(ctx, kindDone, &x.done, nil)
	}
	var refused *abortedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused): // which it says only if it never will
		return errors.Join(err, x.keep())
	}
	return x.settle(err)
}

// settle finds out whether the group lives on the target.
func (x *source) settle(broken error) error {
	x.subject.Logger.Warn("migration in doubt", "host", x.options.Host, "error", broken)
	if err := x.subject.Guard.Tell(stage.PhaseDoubt); err != nil {
		x.subject.Logger.Warn("no guard", "error", err)
	}
	answer, err := x.dialogue.Ask(context.WithoutCancel(x.ctx), group.Question{What: group.QuestionOutcome, Token: x.options.Token, Host: x.options.Host})
	if err != nil {
		return errors.Join(broken, err) // only if nobody can be asked any more
	}
	if answer == group.AnswerRuns {
		return nil
	}
	return errors.Join(broken, x.keep())
}

// keep is for when it is decided that the group stays.
func (x *source) keep() error {
	return errors.Join(x.subject.Cell.Unmark(), x.subject.Guard.Tell(stage.PhaseStill))
}
