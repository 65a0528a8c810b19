package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// migrationJSON is what migrate --json writes. Scripts rely on these keys.
type migrationJSON struct {
	Group     string   `json:"group"` // id
	Name      string   `json:"name"`
	From      string   `json:"from"` // as this host calls itself
	To        string   `json:"to"`   // as it was given
	Host      string   `json:"host"` // as that host calls itself
	DryRun    bool     `json:"dry_run"`
	Total     int64    `json:"total_us"`
	Frozen    int64    `json:"frozen_us"`
	Quiesce   int64    `json:"quiesce_us"`
	CRIU      int64    `json:"criu_us"`
	Bytes     int64    `json:"bytes"`
	Sent      int64    `json:"sent_bytes"`
	Precopied int64    `json:"precopied_bytes"`
	Recalled  int64    `json:"recalled_bytes"`
	Rounds    int      `json:"rounds"`
	Pages     int64    `json:"pages"`
	Processes int      `json:"processes"`
	Rocks     int      `json:"rocks"`
	Sockets   int      `json:"sockets"`
	Drained   int64    `json:"drained_bytes"`
	Files     int      `json:"files"`
	FileBytes int64    `json:"file_bytes"`
	Problems  []string `json:"problems"`
	Warnings  []string `json:"warnings"`
}

// write tells what the migration has cost, or what is in its way.
func (o *migrating) write(cmd *cobra.Command, g *group.Group, r *group.MigrateReport) error {
	if o.json {
		err := writeJSON(cmd.OutOrStdout(), o.reportJSON(g, o.host, r))
		if err == nil && len(r.Problems) > 0 {
			err = &toldError{"it cannot be migrated"}
		}
		return err
	}
	for _, w := range r.Warnings {
		cmd.PrintErrf("rockctl: %s\n", w)
	}
	if o.DryRun {
		return writeLooked(cmd.OutOrStdout(), cmp.Or(g.Name, g.ID), r)
	}
	return writeMigration(cmd.OutOrStdout(), r)
}

func (o *migrating) reportJSON(g *group.Group, to string, r *group.MigrateReport) migrationJSON {
	here, _ := os.Hostname()
	return migrationJSON{
		Group: g.ID, Name: g.Name, From: here, To: to, Host: r.To, DryRun: o.DryRun, Total: r.Took.Microseconds(), Frozen: r.Frozen.Microseconds(),
		Quiesce: r.Quiesce.Microseconds(), CRIU: r.CRIU.Microseconds(), Bytes: r.Bytes, Sent: r.Sent,
		Precopied: r.Precopied, Recalled: r.Recalled, Rounds: r.Rounds, Pages: r.Pages,
		Processes: r.Processes, Rocks: r.Rocks, Sockets: r.Sockets, Drained: r.Drained, Files: r.Files, FileBytes: r.FileBytes,
		Problems: append([]string{}, r.Problems...), Warnings: append([]string{}, r.Warnings...),
	}
}

// writeMigration says what it has cost.
func writeMigration(w io.Writer, r *group.MigrateReport) error {
	t := newList(w)
	t.row("now on", r.To)
	t.row("frozen", fmt.Sprintf("%s: %s to come to rest, %s for CRIU's dump, %s to send and restore; %s in all",
		formatTime(r.Frozen), formatTime(r.Quiesce), formatTime(r.CRIU), formatTime(r.Frozen-r.Quiesce-r.CRIU), formatTime(r.Took)))
	if r.Rounds > 0 {
		t.row("sent ahead", fmt.Sprintf("%s in %s; of the image, %s were there by that", formatBytes(int(r.Precopied)), count(int64(r.Rounds), "round"), formatBytes(int(r.Recalled))))
	}
	t.row("sent", fmt.Sprintf("%s, %s compressed", formatBytes(int(r.Bytes)), formatBytes(int(r.Sent))))
	t.row("memory", fmt.Sprintf("%s, %s of %s", count(r.Pages, "page"), formatBytes(int(r.Pages)*os.Getpagesize()), count(r.Processes, "process")))
	t.row("rocks", fmt.Sprintf("%d, with %s drained out of %s", r.Rocks, formatBytes(int(r.Drained)), count(r.Sockets, "socket")))
	if r.Files > 0 {
		t.row("files", fmt.Sprintf("%d, %s", r.Files, formatBytes(int(r.FileBytes))))
	}
	return t.flush()
}

// writeLooked says what is in the way.
func writeLooked(w io.Writer, name string, r *group.MigrateReport) error {
	if len(r.Problems) == 0 {
		_, err := fmt.Fprintf(w, "nothing is in the way: %s, with up to %s of memory, can go to %s\n",
			count(r.Processes, "process"), formatBytes(int(r.Bytes)), r.To)
		return err
	}
	fmt.Fprintf(w, "%s cannot go there:\n", name)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  %s\n", p)
	}
	return &toldError{"it cannot be migrated"}
}
