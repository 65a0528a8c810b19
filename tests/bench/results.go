package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// results are what is measured, and bench.json. Keys stay as they are.
type results struct {
	conditions
	Scenarios []*scenario `json:"scenarios"`
}

// scenario is one line of the table.
type scenario struct {
	Rocks int  `json:"rocks"`
	Busy  bool `json:"busy"`
	// Times has one number for each round, in milliseconds, by what was measured.
	Times    map[string][]float64 `json:"times_ms"`
	Drained  []int64              `json:"drained_bytes"`   // out of sockets, both ways
	InFlight []int64              `json:"in_flight_bytes"` // in flight logs
	Summary  map[string]spread    `json:"summary_ms"`
}

func newResults(criu string, s settings) *results {
	r := &results{conditions: newConditions(criu, s.rounds)}
	for _, n := range s.rocks {
		for _, busy := range []bool{false, true} {
			if n > 0 || !busy {
				r.Scenarios = append(r.Scenarios, &scenario{Rocks: n, Busy: busy, Times: map[string][]float64{}})
			}
		}
	}
	return r
}

func (sc *scenario) name() string {
	if sc.Busy {
		return fmt.Sprintf("%d busy", sc.Rocks)
	}
	return fmt.Sprintf("%d idle", sc.Rocks)
}

// add notes the time of one round.
func (sc *scenario) add(what string, d time.Duration) {
	sc.Times[what] = append(sc.Times[what], d.Seconds()*1000)
}

// sum computes what follows from the times, round by round, and sums all up.
func (sc *scenario) sum() {
	t := sc.Times
	for i := range t["frozen"] {
		criu, rock := t["criu_dump"][i]+t["criu_restore"][i], t["frozen"][i]+t["restore"][i]
		t["on_top"] = append(t["on_top"], rock-criu)
		t["on_top_of_frozen"] = append(t["on_top_of_frozen"], rock-t["criu_frozen"][i]-t["criu_restore"][i])
		t["ratio"] = append(t["ratio"], rock/criu)
	}
	sc.Summary = map[string]spread{}
	for what, all := range t {
		sc.Summary[what] = newSpread(all)
	}
}

// columns are those of the table.
var columns = []struct{ head, what, format string }{
	{"CRIU DUMP", "criu_dump", "%.0f"}, {"FROZEN", "criu_frozen", "%.0f"}, {"CRIU RESTORE", "criu_restore", "%.0f"},
	{"OUR FROZEN", "frozen", "%.0f"}, {"REST", "quiesce", "%.1f"}, {"DUMP", "dump", "%.0f"}, {"KEEP", "keep", "%.0f"},
	{"OUR RESTORE", "restore", "%.0f"}, {"ON TOP", "on_top", "%.0f"}, {"OF FROZEN", "on_top_of_frozen", "%.0f"}, {"RATIO", "ratio", "%.2f"},
}

// publish writes the table, and the files into dir.
func (r *results) publish(w io.Writer, dir string) error {
	r.Load[1] = load()
	for _, sc := range r.Scenarios {
		sc.sum()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "ROCKS\t")
	for _, c := range columns {
		fmt.Fprint(t, c.head, "\t")
	}
	for _, sc := range r.Scenarios {
		fmt.Fprintf(t, "\n%s\t", sc.name())
		for _, c := range columns {
			s := sc.Summary[c.what]
			fmt.Fprintf(t, c.format+" ("+c.format+".."+c.format+")\t", s.Median, s.Q1, s.Q3)
		}
	}
	fmt.Fprintf(t, "\n")
	err := errors.Join(t.Flush(), writeJSON(dir, "bench.json", r), r.plot(dir))
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	_, err = fmt.Fprintf(w, "milliseconds, median and quartiles of %d rounds; load %s before, %s after; see %s\n",
		r.Rounds, r.Load[0], r.Load[1], dir)
	return err
}
