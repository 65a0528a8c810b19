package supervise

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// restore brings the group of an image back, in the place of starting a command.
func (s *supervisor) restore(settings group.Settings) error {
	ctx := context.Background()
	r, err := s.ckpt.Open(ctx, *s.plan.Restore, s.tellProgress())
	if err != nil {
		return err
	}
	defer r.Close()
	id := r.Identity()
	s.command, s.started = id.Command, time.Now()
	if s.plan.Name == "" {
		s.plan.Name = id.Name
	}
	if err := s.registerAs(id.ID); err != nil {
		return err
	}
	if err := s.makeCell(); err != nil {
		return err
	}
	cfg, err := interposeConfig(settings, s.log, id.Port)
	if err != nil {
		return err
	}
	cfg.Freebind = s.plan.Localhost // who is here finds the group all the same
	if s.slave != nil {
		s.terminal = device(int(s.slave.Fd()))
	}
	job := RestoreJob{
		Cell: s.cell, Config: cfg, Standard: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Terminal: s.slave, Logger: s.log,
	}
	if s.plan.Restore.Hold {
		job.Ready = func(context.Context) error { return s.hold(cfg.Endpoint.Addresses()) }
	}
	restored, err := r.Restore(ctx, job)
	if err != nil {
		_ = cfg.Endpoint.Close()
		return err
	}
	s.pid = restored.Root
	s.interposition = &withRocks{cfg.Endpoint, restored.Interposer, cfg.Estate}
	for _, w := range restored.Warnings {
		s.warn(w)
	}
	return nil
}

// hold tells the front that all is ready, and waits until it may go on. If the front dies it may not.
func (s *supervisor) hold(resume []netip.AddrPort) error {
	if err := s.channel.Send(stage.Ready{Resume: resume}); err != nil {
		return err
	}
	m, _, err := s.channel.Receive()
	if _, ok := m.(stage.Go); err != nil || !ok {
		return fmt.Errorf("the hand-over was given up (%v)", err)
	}
	return nil
}

// progressTime is how often the front hears of the progress within a phase.
const progressTime = 100 * time.Millisecond

// tellProgress returns what tells the front how far a restore is.
func (s *supervisor) tellProgress() func(group.Progress) {
	var phase string
	var told time.Time
	return func(p group.Progress) {
		if p.Phase == phase && time.Since(told) < progressTime {
			return
		}
		phase, told = p.Phase, time.Now()
		s.tell(stage.Progress(p))
	}
}

// makeCell makes the place where the group's processes live.
func (s *supervisor) makeCell() error {
	if s.registration == nil {
		return fmt.Errorf("a group that is checkpointable needs its place in the runtime directory")
	}
	cell, err := s.ckpt.NewCell(s.registration.ID)
	if err != nil {
		return fmt.Errorf("-k: %w", err)
	}
	s.cell = cell
	return nil
}

// removeCell removes it once the processes are gone.
func (s *supervisor) removeCell() {
	if s.cell == nil {
		return
	}
	if err := s.cell.Remove(); err != nil {
		s.log.Warn("cgroup not removed", "error", err)
	}
}
