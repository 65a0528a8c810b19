package main

import (
	"cmp"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// groupJSON is one group of ls --json. Scripts rely on these keys.
type groupJSON struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Pid     int    `json:"pid"`
	Command string `json:"command"`
	State   string `json:"state"`
	Rocks   int    `json:"rocks"`
}

func newLs() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "list the groups",
		Long: `Lists the groups, oldest first.

State: starting; running; stopped (by Ctrl-Z, for instance); checkpointing;
migrating; in doubt (it may have gone to another host, and stands still until
that is known); ending (no process is left, and what was written last is being
delivered); ordinary (runs without rocks, which are not possible there); ? (the
supervisor does not answer).`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			groups, err := listGroups(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), groupsJSON(groups))
			}
			return writeGroups(cmd.OutOrStdout(), groups)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func groupsJSON(groups []group.Group) []groupJSON {
	list := make([]groupJSON, len(groups))
	for i, g := range groups {
		list[i] = groupJSON{g.ID, g.Name, g.Pid, g.CommandLine(), g.State, g.Rocks}
	}
	return list
}

func writeGroups(w io.Writer, groups []group.Group) error {
	t := newTable(w, "ID", "NAME", "PID", "STATE", "ROCKS", "COMMAND")
	for _, g := range groups {
		t.row(g.ID, cmp.Or(g.Name, "-"), strconv.Itoa(g.Pid), cmp.Or(g.State, "?"), strconv.Itoa(g.Rocks), g.CommandLine())
	}
	return t.flush()
}
