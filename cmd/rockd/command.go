package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
	"rock/rocks/remote/once"
)

// version is what --version shows. The linker may set it (-X main.version=...).
var version = "0.1"

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rockd",
		Short: "the other end of rock -d, and a rendezvous",
		Long: `rockd serve is a rendezvous: it helps two ends find each other that have both moved.

For rock -d ssh HOST, which protects a connection to a host whose sshd is ordinary,
rockd is started there by ssh and ends with the connection. Nobody needs to start
it by hand. It must be in the PATH of the user there, or in ~/.local/bin.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetVersionTemplate("rockd {{.Version}}\n")
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(newServe(), newOnce(), newAttach())
	return cmd
}

// newOnce makes the command that rock -d starts.
func newOnce() *cobra.Command {
	var log string
	cmd := &cobra.Command{
		Use:   "once",
		Short: "serve one connection (rock -d starts this itself)",
		Long: `Listens for one connection, which it carries to the sshd that has started it, and
ends with that. The client says through standard input who it is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := once.Options{In: os.Stdin, Out: os.Stdout, Detach: stage.ReleaseStandard, Getenv: os.Getenv, Rock: version}
			if log != "" {
				f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
				if err != nil {
					return fmt.Errorf("--log: %w", err)
				}
				defer f.Close()
				o.Logger = slog.New(slog.NewTextHandler(f, nil))
			}
			signal.Ignore(unix.SIGHUP, unix.SIGPIPE) // the connection outlives the ssh that has started this
			ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return once.Serve(ctx, o)
		},
	}
	cmd.Flags().StringVar(&log, "log", os.Getenv("ROCKD_LOG"), "append what happens to `FILE`")
	return cmd
}

// newAttach makes the command that carries a link.
func newAttach() *cobra.Command {
	return &cobra.Command{
		Use:   "attach PORT",
		Short: "carry a link through ssh (rock -d starts this itself)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			port, err := strconv.ParseUint(args[0], 10, 16)
			if err != nil || port == 0 {
				return fmt.Errorf("%q is no port", args[0])
			}
			return once.Attach(uint16(port), os.Stdin, os.Stdout)
		},
	}
}
