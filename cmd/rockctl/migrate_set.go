package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// runSet moves all groups of a set at once, each to the host that its name has in the placement, the others to the one
// that was given.
func (o *migrating) runSet(cmd *cobra.Command) error {
	members, err := setMembers(cmd.Context(), o.set)
	if err != nil {
		return err
	}
	to, err := o.placement(members)
	if err != nil {
		return err
	}
	reports := make([]*group.MigrateReport, len(members))
	options := o.MigrateOptions
	options.Steps = !o.DryRun
	err = together(cmd, members, func(ctx context.Context, i int, t group.Talk) (err error) {
		m := migrating{MigrateOptions: options, transport: to[i]}
		m.Host = m.host
		step := t.Answer
		t.Answer = func(ctx context.Context, q group.Question) (string, error) {
			if q.What == group.QuestionStep {
				return step(ctx, q)
			}
			return m.answer(ctx, q)
		}
		reports[i], err = m.move(ctx, members[i], t)
		return err
	})
	if err != nil {
		return err
	}
	return o.writeSet(cmd, members, to, reports)
}

// placement says where each member goes.
func (o *migrating) placement(members []*group.Group) ([]transport, error) {
	for name := range o.place {
		if !slices.ContainsFunc(members, func(g *group.Group) bool { return g.Name == name }) {
			return nil, fmt.Errorf("--place: the set has no %s", name)
		}
	}
	to := make([]transport, len(members))
	for i, g := range members {
		to[i] = o.transport
		if host := o.place[g.Name]; host != "" {
			to[i].host = host
		}
		if to[i].host == "" {
			return nil, fmt.Errorf("where is %s to go? give a HOST, or --place %s=HOST", g.Name, g.Name)
		}
	}
	return to, nil
}

func (o *migrating) writeSet(cmd *cobra.Command, members []*group.Group, to []transport, reports []*group.MigrateReport) error {
	problems := false
	if o.json {
		list := []migrationJSON{}
		for i, r := range reports {
			list = append(list, o.reportJSON(members[i], to[i].host, r))
			problems = problems || len(r.Problems) > 0
		}
		if err := writeJSON(cmd.OutOrStdout(), list); err != nil || !problems {
			return err
		}
		return &toldError{"not all can be migrated"}
	}
	if o.DryRun {
		for i, r := range reports {
			problems = writeLooked(cmd.OutOrStdout(), members[i].Name, r) != nil || problems
		}
		if problems {
			return &toldError{"not all can be migrated"}
		}
		return nil
	}
	t := newTable(cmd.OutOrStdout(), "GROUP", "NOW ON", "FROZEN", "SENT", "ROCKS")
	for i, r := range reports {
		for _, w := range r.Warnings {
			cmd.PrintErrf("rockctl: %s: %s\n", members[i].Name, w)
		}
		t.row(members[i].Name, r.To, formatTime(r.Frozen), formatBytes(int(r.Sent)), fmt.Sprint(r.Rocks))
	}
	return t.flush()
}
