package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// Checkpoint answers the control socket: it writes the group into an image.
func (s *supervisor) Checkpoint(ctx context.Context, o group.CheckpointOptions, d group.Dialogue) (*group.CheckpointReport, error) {
	var report *group.CheckpointReport
	err := s.withSubject(group.Checkpointing, away{image: o.Dir}, nil, func(subject Subject) (err error) {
		subject.Step = steps(o.Steps, d)
		report, err = s.ckpt.Checkpoint(ctx, subject, o, d.Progress)
		return err
	})
	if err != nil {
		s.log.Warn("no checkpoint", "dir", o.Dir, "error", err)
		return nil, err
	}
	s.log.Info("checkpoint", "dir", o.Dir, "frozen", report.Frozen, "running", report.Running)
	return report, nil
}

// steps asks a client before each step, if it wants that.
func steps(wanted bool, d group.Dialogue) func(context.Context, string) error {
	if !wanted {
		return nil
	}
	return func(ctx context.Context, point string) error {
		a, err := d.Ask(ctx, group.Question{What: group.QuestionStep, Point: point})
		if err == nil && a != group.AnswerGo {
			err = fmt.Errorf("the answer to %s was %q", point, a)
		}
		return err
	}
}

// away is where a group is that has ended here: in an image, or on another host.
type away struct{ image, host string }

func (a away) String() string {
	if a.host != "" {
		return "on " + a.host
	}
	return "in " + a.image
}

// withSubject calls f with the group, which is in state meanwhile, and to be found at to if f says that it is ending.
// link is the transport by which it goes elsewhere, nil for none.
func (s *supervisor) withSubject(state string, to away, link []*os.File, f func(Subject) error) error {
	if !s.busy.TryLock() {
		return errors.New("a checkpoint or a migration is under way already: wait for it")
	}
	defer s.busy.Unlock()
	if err := s.checkpointable(); err != nil {
		return err
	}
	subject := Subject{
		ID: s.registration.ID, Name: s.plan.Name, Command: s.command, Started: s.started, Root: s.pid, Cell: s.cell,
		Inherited: s.inherited, Terminal: s.terminal, Logger: s.log,
	}
	if w, ok := s.interposition.(*withRocks); ok {
		subject.Interposer = w.interposer
	}
	guard, err := startGuard(s.cell.Path(), link...)
	if err != nil {
		return err
	}
	defer guard.end()
	defer s.takenUp(operation{Guard: guard.pid, Image: to.image, Host: to.host})()
	subject.Guard = guard
	subject.Ending = func() {
		s.away.Store(&to)
		if err := guard.Tell(stage.PhaseGone); err != nil {
			s.log.Warn("no guard", "error", err)
		}
	}
	before := s.state.get()
	s.state.set(state)
	defer func() {
		if s.away.Load() == nil {
			s.state.swap(state, before) // unless the command has ended or stopped meanwhile
		}
	}()
	return f(subject)
}

// checkpointable says why the group cannot be checkpointed, if it cannot.
func (s *supervisor) checkpointable() error {
	switch {
	case s.cell == nil:
		return errors.New("the group was not started with -k: start it with rock -k")
	case s.away.Load() != nil:
		return fmt.Errorf("the group has ended: it is %v", s.away.Load())
	case s.state.get() == group.Ending:
		return errors.New("the group has ended")
	case s.commandGone.Load():
		return errors.New("the command has ended, and what it has left in the background cannot be checkpointed: have it stay in the foreground (nginx -g 'daemon off;', redis-server --daemonize no)")
	}
	return nil
}

// ended tells the front how the command has ended: of its own, or because it is elsewhere now.
func (s *supervisor) ended(status unix.WaitStatus) {
	s.commandGone.Store(true)
	if to := s.away.Load(); to != nil {
		if to.host != "" {
			s.tell(stage.Migrated{Host: to.host})
		} else {
			s.tell(stage.Checkpointed{Dir: to.image})
		}
		return
	}
	s.tell(stage.Exited{Status: status})
}

// periodic makes checkpoints every so often, until ctx is done, and keeps the last ones. Whatever goes wrong, the
// group goes on, and so do the attempts.
func (s *supervisor) periodic(ctx context.Context) {
	p := s.plan.Periodic
	prefix := s.registration.ID + "-" // so that those of other groups are out of reach, whatever they are called
	if s.plan.Name != "" {
		prefix = s.plan.Name + "-" + prefix
	}
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		name := fmt.Sprintf("%s%s-%04d", prefix, time.Now().UTC().Format("20060102T150405Z"), n)
		o := group.CheckpointOptions{Dir: filepath.Join(p.Dir, name), LeaveRunning: true}
		if _, err := s.Checkpoint(ctx, o, nobody{}); err != nil {
			if ctx.Err() != nil {
				return // the group has ended, which needs no checkpoint
			}
			s.tellUser(fmt.Sprintf("periodic checkpoint failed: %v", err))
			continue
		}
		if err := s.ckpt.Prune(p.Dir, prefix, p.Keep); err != nil {
			s.log.Warn("old checkpoints stay", "error", err)
			s.tellUser(fmt.Sprintf("old periodic checkpoints stay: %v", err))
		}
	}
}

// nobody is the client of what the supervisor does of its own accord.
type nobody struct{}

func (nobody) Progress(group.Progress) {}

func (nobody) Ask(context.Context, group.Question) (string, error) {
	return "", errors.New("there is nobody to ask")
}

// tellUser writes one line to the command's standard error if that is a terminal: in a file or a pipe it would be part of
// what the command has said.
func (s *supervisor) tellUser(line string) {
	if s.commandGone.Load() {
		return // the pid may be another's
	}
	line = strings.ReplaceAll(line, "\n", ";")
	path := fmt.Sprintf("/proc/%d/fd/2", s.pid)
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it is gone
	}
	defer unix.Close(fd)
	if term.IsTerminal(fd) {
		_, _ = unix.Write(fd, []byte("rock: "+line+"\n")) // not if it is held up (Ctrl-S): the log has it
	}
}
