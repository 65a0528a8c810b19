package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// checkpointSet writes all groups of a set into images, at one moment, and says what that has cost. The images are in a
// directory, by the names of the groups. All are there, or none.
func checkpointSet(cmd *cobra.Command, set string, o group.CheckpointOptions, asJSON bool) error {
	dir, err := filepath.Abs(cmp.Or(o.Dir, set+".ckpt"))
	if err != nil {
		return fmt.Errorf("-D: %w", err)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s exists already and is not empty: remove it or give another -D", dir)
	}
	members, err := setMembers(cmd.Context(), set)
	if err != nil {
		return err
	}
	reports := make([]*group.CheckpointReport, len(members))
	o.Steps = true
	err = together(cmd, members, func(ctx context.Context, i int, t group.Talk) (err error) {
		o := o
		o.Dir = filepath.Join(dir, members[i].Name)
		reports[i], err = members[i].Checkpoint(ctx, o, t)
		return err
	})
	if err != nil {
		return err
	}
	return writeSetReports(cmd, dir, set, reports, asJSON)
}

func writeSetReports(cmd *cobra.Command, dir, set string, reports []*group.CheckpointReport, asJSON bool) error {
	if asJSON {
		list := []checkpointJSON{}
		for _, r := range reports {
			list = append(list, reportJSON(r))
		}
		return writeJSON(cmd.OutOrStdout(), list)
	}
	t := newTable(cmd.OutOrStdout(), "GROUP", "FROZEN", "IMAGE", "ROCKS")
	for _, r := range reports {
		for _, w := range r.Warnings {
			cmd.PrintErrf("rockctl: %s: %s\n", filepath.Base(r.Dir), w)
		}
		t.row(filepath.Base(r.Dir), formatTime(r.Frozen), formatBytes(int(r.ImageBytes)), fmt.Sprint(r.Rocks))
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "restore with: rockctl restore --set %s -D %s\n", set, shellWord(dir))
	return err
}
