package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"rock/ckpt"
	"rock/migrate"
)

// newReceive makes the command that rockctl migrate starts on the other host.
func newReceive() *cobra.Command {
	var token, log string
	cmd := &cobra.Command{
		Use:   "receive",
		Short: "take a group that rockctl migrate sends (it starts this itself)",
		Long: `Takes a group that comes through standard input, and answers through standard
output: rockctl migrate starts this on the host that the group goes to. It needs
root there.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return errors.New("receive needs root: name the user in the host (root@HOST), or use --exec 'ssh HOST sudo rockctl receive'")
			}
			if token != "" {
				answer, err := migrate.Resolve(cmd.Context(), token, os.Getenv)
				if answer == "" {
					return err
				}
				if err != nil {
					cmd.PrintErrf("rockctl: %v\n", err)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
				return err
			}
			return receive(cmd, log)
		},
	}
	cmd.Flags().StringVar(&token, "resolve", "", "say what has become of the migration `TOKEN`:\nruns, or never")
	cmd.Flags().StringVar(&log, "log", "", "append what the group's supervisor does to `FILE`")
	return cmd
}

// receive takes one group.
func receive(cmd *cobra.Command, log string) error {
	r := migrate.Receiver{
		Engine: migrate.Engine{Engine: ckpt.Engine{Rock: version, Getenv: os.Getenv}},
		Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
	}
	if log != "" {
		f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		r.Log = f
	}
	link, err := standardStreams()
	if err != nil {
		return err
	}
	return r.Run(context.Background(), link)
}
