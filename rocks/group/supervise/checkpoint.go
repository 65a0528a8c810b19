package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// Checkpoint answers the control socket: it writes the group into an image.
func (s *supervisor) Checkpoint(ctx context.Context, o group.CheckpointOptions, progress func(group.Progress)) (*group.CheckpointReport, error) {
	if !s.busy.TryLock() {
		return nil, errors.New("a checkpoint is being made already: wait for it")
	}
	defer s.busy.Unlock()
	if err := s.checkpointable(); err != nil {
		return nil, err
	}
	subject := Subject{
		ID: s.registration.ID, Name: s.plan.Name, Command: s.command, Started: s.started, Root: s.pid, Cell: s.cell,
		Inherited: s.inherited, Terminal: s.terminal, Timeout: s.timeout, Logger: s.log,
		Ending: func(yes bool) {
			if s.image.Store(nil); yes {
				s.image.Store(&o.Dir)
			}
		},
	}
	if w, ok := s.interposition.(*withRocks); ok {
		subject.Interposer = w.interposer
	}
	s.state.set(group.Checkpointing)
	defer func() {
		if s.image.Load() == nil {
			s.state.set(s.runningState())
		}
	}()
	report, err := s.ckpt.Checkpoint(ctx, subject, o, progress)
	if err != nil {
		s.log.Warn("no checkpoint", "dir", o.Dir, "error", err)
		return nil, err
	}
	s.log.Info("checkpoint", "dir", o.Dir, "frozen", report.Frozen, "running", report.Running)
	return report, nil
}

// checkpointable says why the group cannot be checkpointed, if it cannot.
func (s *supervisor) checkpointable() error {
	switch {
	case s.cell == nil:
		return errors.New("the group was not started with -k: start it with rock -k")
	case s.image.Load() != nil:
		return fmt.Errorf("the group has ended: it is in %s", *s.image.Load())
	case s.state.get() == group.Ending:
		return errors.New("the group has ended")
	}
	return nil
}

// ended tells the front how the command has ended: of its own, or because it is in an image now.
func (s *supervisor) ended(status unix.WaitStatus) {
	if dir := s.image.Load(); dir != nil {
		s.tell(stage.Checkpointed{Dir: *dir})
		return
	}
	s.tell(stage.Exited{Status: status})
}

// periodic makes checkpoints every so often, until ctx is done, and keeps the last ones.
func (s *supervisor) periodic(ctx context.Context) {
	p := s.plan.Periodic
	prefix := s.registration.ID
	if s.plan.Name != "" {
		prefix = s.plan.Name
	}
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		name := fmt.Sprintf("%s-%s-%04d", prefix, time.Now().UTC().Format("20060102T150405Z"), n)
		o := group.CheckpointOptions{Dir: filepath.Join(p.Dir, name), LeaveRunning: true}
		if _, err := s.Checkpoint(ctx, o, func(group.Progress) {}); err != nil {
			s.tellUser(fmt.Sprintf("no checkpoint this time: %v", err))
			continue
		}
		if err := s.ckpt.Prune(p.Dir, prefix+"-", p.Keep); err != nil {
			s.tellUser(fmt.Sprintf("old checkpoints stay: %v", err))
		}
	}
}

// tellUser writes a line to the command's standard error, and to the log.
func (s *supervisor) tellUser(line string) {
	s.log.Warn(line)
	w, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", s.pid), os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return // closed, or a socket: there is nobody to tell
	}
	defer w.Close()
	_, _ = fmt.Fprintf(w, "rock: %s\n", line)
}
