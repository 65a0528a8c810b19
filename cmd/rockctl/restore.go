package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rock/ckpt"
	"rock/rocks/group/front"
)

func newRestore() *cobra.Command {
	var o front.RestoreOptions
	var extra ckpt.RestoreOptions
	var log string
	cmd := &cobra.Command{
		Use:   "restore [-D DIR] [-d]",
		Short: "bring a group back from an image",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Dir, err = filepath.Abs(o.Dir); err != nil {
				return err
			}
			o.Extra, o.Rescue = extra.Encode(), ckpt.Rescue
			o.Warn = func(line string) { fmt.Fprintf(cmd.ErrOrStderr(), "rockctl: %s\n", line) }
			if log != "" {
				if o.Log, err = os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
					return fmt.Errorf("--log: %w", err)
				}
			}
			result, err := front.Restore(o)
			if err != nil {
				return err
			}
			if o.Detach {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n", result.Group)
				return nil
			}
			front.Exit(result)
			return nil
		},
	}
	imagesDir(cmd, &o.Dir)
	f := cmd.Flags()
	f.BoolVarP(&o.Detach, "detach", "d", false, "do not stay in front of it")
	f.BoolVar(&extra.ResetRefused, "reset-refused", false, "reset connections whose peers would not go on")
	f.StringVar(&log, "log", "", "append what rock does to `FILE`")
	return cmd
}
