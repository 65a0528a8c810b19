package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rock/rocks/group"
)

// ours has rock checkpoint and restore a group, with its rocks.
func ours(ctx context.Context, w *world, sc *scenario) (err error) {
	rock := filepath.Join(w.bin, "rock")
	s, err := begin(ctx, w, sc, []string{rock, "-k", "--name", "job"}, []string{rock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(s.explain(err), s.end()) }()
	images := filepath.Join(s.dir, "images")
	report, err := s.checkpoint(ctx, images)
	if err != nil {
		return err
	}
	if report.Rocks != sc.Rocks {
		return fmt.Errorf("%d rocks are in the image, not %d", report.Rocks, sc.Rocks)
	}
	if err := s.gone(ctx); err != nil {
		return err
	}
	if err := s.calm(ctx); err != nil {
		return err
	}
	s.job.SetMark()
	s.peer.SetMark()
	took, err := w.timed(ctx, s.runtime, filepath.Join(w.bin, "rockctl"), "restore", "-d", "-D", images)
	if err != nil {
		return err
	}
	if err := until(ctx, "the restored process runs", s.running); err != nil {
		return err
	}
	var first, last time.Duration
	err = until(ctx, "the peer receives something on all connections", func() (ok bool) {
		first, last, ok = s.peer.Came(sc.Rocks)
		return ok
	})
	if err != nil {
		return err
	}
	if n := s.job.Errors.Load() + s.peer.Errors.Load(); n > 0 {
		return fmt.Errorf("%d connections have failed or brought what was not sent", n)
	}
	sc.add("took", report.Took)
	sc.add("frozen", report.Frozen)
	sc.add("quiesce", report.Quiesce)
	sc.add("dump", report.CRIU)
	sc.add("keep", report.Frozen-report.Quiesce-report.CRIU)
	sc.add("restore_command", took)
	sc.add("restore_runs", s.ran())
	sc.add("restore_first", first)
	sc.add("restore", max(s.ran(), last))
	sc.Drained = append(sc.Drained, report.Drained)
	sc.InFlight = append(sc.InFlight, report.InFlight)
	return nil
}

// checkpoint has the group written into an image, and waits until its supervisor is gone.
func (s *scene) checkpoint(ctx context.Context, images string) (*group.CheckpointReport, error) {
	dir, err := group.OpenDir(func(name string) string {
		if name == "ROCK_RUNTIME_DIR" {
			return s.runtime
		}
		return os.Getenv(name)
	})
	if err != nil {
		return nil, err
	}
	groups, err := dir.List(ctx)
	if err != nil {
		return nil, err
	}
	g, err := group.Resolve(groups, "job")
	if err != nil {
		return nil, err
	}
	report, err := g.Checkpoint(ctx, group.CheckpointOptions{Dir: images}, group.Talk{})
	if err != nil {
		return nil, err
	}
	return report, until(ctx, "the supervisor is gone", func() bool {
		groups, err := dir.List(ctx)
		return err == nil && len(groups) == 0
	})
}
