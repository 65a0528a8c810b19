package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/checkpoint-restore/go-criu/v7/stats"
)

// plain dumps and restores a process without rock, with the criu command. Its connections are closed by that. The
// options are those that rock gives to CRIU.
func plain(ctx context.Context, w *world, sc *scenario) (err error) {
	s, err := begin(ctx, w, sc, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	images := filepath.Join(s.dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		return err
	}
	options := []string{"-D", images, "-v2", "--tcp-close", "--network-lock", "skip", "--skip-in-flight", "--file-locks",
		"--link-remap", "--ext-unix-sk", "--manage-cgroups=ignore"}
	dump := append([]string{w.criu.Path, "dump", "-t", strconv.Itoa(s.pid), "-o", "dump.log"}, options...)
	took, err := w.timed(ctx, s.runtime, dump...)
	if err != nil {
		return err
	}
	if err := s.gone(ctx); err != nil {
		return err
	}
	frozen, err := frozenBy(images)
	if err != nil {
		return err
	}
	s.job.SetMark()
	restore := append([]string{w.criu.Path, "restore", "-d", "-o", "restore.log"}, options...)
	back, err := w.timed(ctx, s.runtime, restore...)
	if err != nil {
		return err
	}
	if err := until(ctx, "the restored process runs", s.running); err != nil {
		return err
	}
	sc.add("criu_dump", took)
	sc.add("criu_frozen", frozen)
	sc.add("criu_restore", back)
	sc.add("criu_restore_runs", s.ran())
	return nil
}

// frozenBy is how long CRIU says that the process stood still for its dump.
func frozenBy(images string) (time.Duration, error) {
	dir, err := os.Open(images)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	d, err := stats.CriuGetDumpStats(dir)
	if err != nil {
		return 0, fmt.Errorf("read statistics of CRIU: %w", err)
	}
	return time.Duration(d.GetFreezingTime()+d.GetFrozenTime()) * time.Microsecond, nil
}
