package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rock/rocks/group"
)

// version is what --version shows. The linker may set it (-X main.version=...).
var version = "0.1"

// newCommand returns the command line of rockctl.
func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rockctl",
		Short: "see and operate what runs under rock",
		Long: `Shows the groups that run under rock, with their connections. A GROUP is an id,
a unique beginning of one, a name, or the pid of a process in it.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("what to do? see rockctl --help")
		},
	}
	cmd.SetVersionTemplate("rockctl {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	cmd.AddCommand(newLs(), newConns(), newCheck(), newCheckpoint(), newRestore(), newMigrate(), newReceive(), newInspect(), newMan())
	return cmd
}

// jsonFlag adds the option --json to a command.
func jsonFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "json", false, "write JSON, for programs")
}

// listGroups returns the groups of the runtime directory in force.
func listGroups(ctx context.Context) ([]group.Group, error) {
	dir, err := group.OpenDir(os.Getenv)
	if err != nil {
		return nil, err
	}
	return dir.List(ctx)
}

// findGroup returns the group that a user means.
func findGroup(ctx context.Context, name string) (*group.Group, error) {
	groups, err := listGroups(ctx)
	if err != nil {
		return nil, err
	}
	return group.Resolve(groups, name)
}

// interruptible returns a context that ends with the first signal by which the user gives up. A second one does not wait.
func interruptible(cmd *cobra.Command) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(cmd.Context(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// writeJSON writes v, indented. A nil slice must not come here: it would be null.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
