package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// migrations are what BenchmarkMigrate measures, and migrate.json. Keys stay as they are.
type migrations struct {
	conditions
	Sizes []*size `json:"sizes"`
}

// size is one line of the table.
type size struct {
	Memory int `json:"memory_mib"`
	// Times has one number for each round, in milliseconds, by what was measured; ratios and MiB/s are there too.
	Times    map[string][]float64 `json:"times_ms"`
	Bytes    []int64              `json:"bytes"`          // of the image
	Sent     []int64              `json:"sent_bytes"`     // in all, compressed
	Recalled []int64              `json:"recalled_bytes"` // of the image, which had been sent while the group ran
	Summary  map[string]spread    `json:"summary_ms"`
}

// add notes the time of one round.
func (z *size) add(what string, d time.Duration) {
	z.Times[what] = append(z.Times[what], d.Seconds()*1000)
}

// sum computes what follows from the times, round by round, and sums all up.
func (z *size) sum() {
	t := z.Times
	for i := range t["frozen"] {
		t["ratio"] = append(t["ratio"], t["frozen"][i]/t["criu"][i])
		t["pause_ratio"] = append(t["pause_ratio"], t["pause"][i]/t["criu_pause"][i])
		t["rate"] = append(t["rate"], float64(z.Memory)*1000/t["frozen"][i])
		t["criu_rate"] = append(t["criu_rate"], float64(z.Memory)*1000/t["criu"][i])
	}
	z.Summary = map[string]spread{}
	for what, all := range t {
		z.Summary[what] = newSpread(all)
	}
}

// moveColumns are those of the table.
var moveColumns = []struct{ head, what, format string }{
	{"CRIU DUMP", "criu_dump", "%.0f"}, {"COPY", "criu_copy", "%.0f"}, {"RESTORE", "criu_restore", "%.0f"}, {"ALL", "criu", "%.0f"},
	{"OUR FROZEN", "frozen", "%.0f"}, {"REST", "quiesce", "%.1f"}, {"DUMP", "dump", "%.0f"}, {"SEND+RESTORE", "rest", "%.0f"},
	{"TOTAL", "total", "%.0f"}, {"RATIO", "ratio", "%.2f"}, {"CRIU PAUSE", "criu_pause", "%.0f"}, {"OUR PAUSE", "pause", "%.0f"},
	{"CRIU MiB/S", "criu_rate", "%.0f"}, {"OUR MiB/S", "rate", "%.0f"},
}

// Aims of a migration.
const (
	aimMemory = 64  // MiB that are to be
	aimFrozen = 1e3 // ms on the way, at most
	aimRatio  = 1.3 // of what CRIU's commands take, at most
)

// publish writes the table, and the files into dir.
func (r *migrations) publish(w io.Writer, dir string) error {
	r.Load[1] = load()
	for _, z := range r.Sizes {
		z.sum()
	}
	err := errors.Join(writeJSON(dir, "migrate.json", r), r.plot(dir), r.table(w))
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	_, err = fmt.Fprintf(w, "milliseconds, medians of %d rounds; load %s before, %s after; see %s\n", r.Rounds, r.Load[0], r.Load[1], dir)
	return err
}

// table writes the medians, and what became of the aims.
func (r *migrations) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "MEMORY\t")
	for _, c := range moveColumns {
		fmt.Fprint(t, c.head, "\t")
	}
	for _, z := range r.Sizes {
		fmt.Fprintf(t, "\n%d MiB\t", z.Memory)
		for _, c := range moveColumns {
			fmt.Fprintf(t, c.format+"\t", z.Summary[c.what].Median)
		}
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, z := range r.Sizes {
		ratio, frozen := z.Summary["ratio"].Median, z.Summary["frozen"].Median
		if z.Memory == aimMemory {
			fmt.Fprintf(w, "aim: %d MiB frozen for less than %.0f ms: %s (%.0f)\n", aimMemory, aimFrozen, yes(frozen < aimFrozen), frozen)
		}
		if ratio > aimRatio {
			fmt.Fprintf(w, "aim: at most %.1f times what CRIU's commands take: not with %d MiB (%.2f)\n", aimRatio, z.Memory, ratio)
		}
	}
	return nil
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
