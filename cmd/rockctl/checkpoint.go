package main

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

func newCheckpoint() *cobra.Command {
	var o group.CheckpointOptions
	cmd := &cobra.Command{
		Use:   "checkpoint [-R] [-D DIR] GROUP",
		Short: "write a group into an image, with its connections",
		Long: `Writes a group that was started with rock -k into an image: its processes, and the rocks that they
have. Peers see their connections suspended, until rockctl restore brings the group back. Without -R the
group ends with it.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			groups, err := listGroups(cmd.Context())
			if err != nil {
				return err
			}
			g, err := group.Resolve(groups, args[0])
			if err != nil {
				return err
			}
			o.Dir = cmp.Or(o.Dir, cmp.Or(g.Name, g.ID)+".ckpt")
			if o.Dir, err = filepath.Abs(o.Dir); err != nil {
				return err
			}
			r, err := g.Checkpoint(cmd.Context(), o, nil)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%+v\n", *r)
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.LeaveRunning, "leave-running", "R", false, "let the group go on")
	imagesDir(cmd, &o.Dir)
	f.BoolVar(&o.TCPEstablished, "tcp-established", false, "keep open ordinary connections, for a restore on the same address")
	return cmd
}

// imagesDir adds the option -D to a command.
func imagesDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVarP(dir, "images-dir", "D", "", "`DIR` of the image")
}
