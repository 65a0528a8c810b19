package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

func newCheckpoint() *cobra.Command {
	var o group.CheckpointOptions
	var asJSON bool
	var set string
	cmd := &cobra.Command{
		Use:   "checkpoint [-R] [-D DIR] GROUP",
		Short: "write a group into an image, with its connections",
		Long: `Writes a group that was started with rock -k into an image: its processes, and
the rocks that they have. Then the group ends, or with -R it goes on. Its peers
find their connections suspended until rockctl restore brings the group back.

Ctrl-C gives it up, and the group goes on. So it does after any error.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			if set != "" {
				return checkpointSet(cmd, set, o, asJSON)
			}
			r, err := checkpoint(cmd, args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), reportJSON(r))
			}
			for _, w := range r.Warnings {
				cmd.PrintErrf("rockctl: %s\n", w)
			}
			return writeReport(cmd.OutOrStdout(), r)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.LeaveRunning, "leave-running", "R", false, "let the group go on")
	imagesDir(cmd, &o.Dir, "`DIR` to make, ./NAME.ckpt if not given")
	f.BoolVar(&o.TCPEstablished, "tcp-established", false, "keep open ordinary connections, for a\nrestore on the same address")
	jsonFlag(cmd, &asJSON)
	setFlag(cmd, &set, "write all groups called `NAME` or NAME.SOMETHING at\none moment, into images in DIR, instead of one GROUP")
	return cmd
}

// imagesDir adds the option -D to a command.
func imagesDir(cmd *cobra.Command, dir *string, usage string) {
	cmd.Flags().StringVarP(dir, "images-dir", "D", "", usage)
	_ = cmd.MarkFlagDirname("images-dir") // fails only for a name that is not there
}

// checkpoint has the group that name stands for checkpointed, and shows how far that is.
func checkpoint(cmd *cobra.Command, name string, o group.CheckpointOptions) (*group.CheckpointReport, error) {
	ctx, stop := interruptible(cmd)
	defer stop()
	g, err := findGroup(ctx, name)
	if err != nil {
		return nil, err
	}
	o.Dir = cmp.Or(o.Dir, cmp.Or(g.Name, g.ID)+".ckpt")
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("-D: %w", err)
	}
	p := newProgress(cmd.ErrOrStderr())
	r, err := g.Checkpoint(ctx, o, group.Talk{Progress: p.show})
	p.end()
	if errors.Is(err, group.ErrGivenUp) {
		return nil, fmt.Errorf("%w: there is no image, and group %s goes on", err, g.ID)
	}
	return r, err
}
