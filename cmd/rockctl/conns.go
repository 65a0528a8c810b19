package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// rockJSON is one rock of conns --json. Scripts rely on these keys.
type rockJSON struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Local    string    `json:"local"`
	Remote   string    `json:"remote"`
	Role     string    `json:"role"`
	Epoch    uint32    `json:"epoch"`
	InFlight int       `json:"in_flight"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error"`
}

func newConns() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "conns [GROUP]",
		Short: "list the rocks of a group, or of all",
		Long: `Lists the rocks (reliable connections) of a group, or of all groups. Connections
to peers without rocks are ordinary and not listed.

State: connecting; established; suspended (without a link: programs wait,
nothing is lost); closed (by the program; what it wrote last is being
delivered). Since: how long it has been in that state. In flight: written and
not acknowledged by the peer.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			rocks, err := listRocks(cmd.Context(), args)
			if err != nil && len(rocks) == 0 {
				return err
			}
			if asJSON {
				return errors.Join(writeJSON(cmd.OutOrStdout(), rocksJSON(rocks)), err)
			}
			return errors.Join(writeRocks(cmd.OutOrStdout(), rocks, time.Now()), err)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// listRocks returns the rocks of the group that args name, or of all. A group that does not
// answer is an error, but does not keep the others from being listed; one that is just starting
// or ending has no rocks.
func listRocks(ctx context.Context, args []string) ([]group.Rock, error) {
	groups, err := listGroups(ctx)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		g, err := group.Resolve(groups, args[0])
		if err != nil {
			return nil, err
		}
		return g.AskRocks(ctx)
	}
	var all []group.Rock
	var errs []error
	for i := range groups {
		rocks, err := groups[i].AskRocks(ctx)
		if errors.Is(err, group.ErrNotReady) {
			continue
		}
		all, errs = append(all, rocks...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func rocksJSON(rocks []group.Rock) []rockJSON {
	list := make([]rockJSON, len(rocks))
	for i, r := range rocks {
		list[i] = rockJSON(r)
	}
	return list
}

func writeRocks(w io.Writer, rocks []group.Rock, now time.Time) error {
	t := newTable(w, "ID", "STATE", "SINCE", "LOCAL", "REMOTE", "ROLE", "EPOCH", "IN FLIGHT", "ERROR")
	for _, r := range rocks {
		t.row(r.ID[:min(8, len(r.ID))], r.State, formatDuration(now.Sub(r.Since)), r.Local, r.Remote,
			r.Role, strconv.FormatUint(uint64(r.Epoch), 10), formatBytes(r.InFlight), r.Error)
	}
	return t.flush()
}

// completeGroup completes a GROUP with names, where groups have one, and ids.
func completeGroup(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	groups, err := listGroups(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []cobra.Completion
	for _, g := range groups {
		if g.Name != "" {
			found = append(found, cobra.CompletionWithDesc(g.Name, g.CommandLine()))
		}
		found = append(found, cobra.CompletionWithDesc(g.ID, g.CommandLine()))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
