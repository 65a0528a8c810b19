package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// speeds are what BenchmarkSpeed measures, and speed.json. Keys stay as they are.
type speeds struct {
	conditions
	Trials []*trial `json:"trials"`
}

// sum computes what follows from the numbers of all rounds.
func (s *trial) sum() {
	for _, v := range s.Variants {
		for i, all := range v.Values {
			v.Value = append(v.Value, newSpread(all))
			if s.absolute {
				continue
			}
			ratios := make([]float64, len(all))
			for round, n := range all {
				ratios[round] = n / s.Variants[0].Values[i][round]
			}
			v.Ratios = append(v.Ratios, ratios)
			v.Ratio = append(v.Ratio, newSpread(ratios))
		}
	}
}

// publish writes the tables, and the files into dir.
func (r *speeds) publish(w io.Writer, dir string) error {
	r.Load[1] = load()
	for _, s := range r.Trials {
		s.sum()
	}
	err := errors.Join(writeJSON(dir, "speed.json", r), r.plot(dir))
	for _, s := range r.Trials {
		err = errors.Join(err, s.table(w), s.judge(w))
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	_, err = fmt.Fprintf(w, "\nmedians of %d rounds; in brackets the ratio to the first line, and its extremes; load %s before, %s after; see %s\n", r.Rounds, r.Load[0], r.Load[1], dir)
	return err
}

// table writes the medians of a trial.
func (s *trial) table(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n", s.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, m := range s.Metrics {
		fmt.Fprint(t, m.Name, "\t")
		if !s.absolute {
			fmt.Fprint(t, "\t")
		}
	}
	for i, v := range s.Variants {
		fmt.Fprintf(t, "\n  %s\t", v.Name)
		for k, m := range s.Metrics {
			fmt.Fprintf(t, m.format+"\t", v.Value[k].Median)
			switch {
			case s.absolute:
			case i == 0:
				fmt.Fprint(t, "\t")
			default:
				fmt.Fprintf(t, "[%.2f, %.2f..%.2f]\t", v.Ratio[k].Median, v.Ratio[k].Min, v.Ratio[k].Max)
			}
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// judge says what became of the aims of a trial.
func (s *trial) judge(w io.Writer) error {
	for _, a := range s.aims {
		m := s.Metrics[a.metric]
		for _, v := range s.Variants {
			if v.Name != a.variant {
				continue
			}
			got, text, met := v.Value[a.metric].Median, "", false
			switch a.kind {
			case atLeastOfPlain:
				got = v.Ratio[a.metric].Median
				text, met = "at least %.3g of the first line's", got >= a.bound
			case atMostOfPlain:
				got = v.Ratio[a.metric].Median
				text, met = "at most %.3g times the first line's", got <= a.bound
			case atMost:
				text, met = "at most %g", got <= a.bound
			case atMostMore:
				got -= s.Variants[0].Value[a.metric].Median
				text, met = "at most %g more than the first line's", got <= a.bound
			}
			if _, err := fmt.Fprintf(w, "  aim, %s: %s "+text+": %s (%.3g)\n", v.Name, m.Name, a.bound, yes(met), got); err != nil {
				return err
			}
		}
	}
	return nil
}
