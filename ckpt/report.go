package ckpt

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rock/rocks/group"
)

// report tells what the checkpoint has cost.
func (c *checkpoint) report() *group.CheckpointReport {
	m := c.manifest
	r := &group.CheckpointReport{
		Dir: c.options.Dir, Running: c.options.LeaveRunning,
		Took: time.Since(c.began), Frozen: c.ended.Sub(c.frozen), Quiesce: c.quiet.Sub(c.frozen), CRIU: c.dumped.Sub(c.quiet),
		Pages: m.Stats.Pages, ImageBytes: size(c.options.Dir), Processes: len(m.Processes), Rocks: len(m.Rocks),
		Sockets: m.Stats.Sockets, Drained: m.Stats.DrainedBytes, Warnings: lines(c.looked.Warnings),
	}
	for _, k := range m.Rocks {
		r.InFlight += k.InFlight
	}
	for _, o := range m.Ordinary {
		if !c.options.TCPEstablished {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the ordinary connection of process %d to %s will be closed on restore: --tcp-established keeps it, on the same address",
				o.PID, o.Remote))
		}
	}
	if c.suspension != nil {
		if n := c.suspension.Stats().Lost; n > 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%d ordinary connections that rock carries or that were not accepted yet will be closed on restore", n))
		}
	}
	return r
}

// size adds up the files in a directory.
func size(dir string) (total int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			total += info.Size()
		}
	}
	return total
}
