package main

import (
	"fmt"
	"io"
)

// table is what is printed, line by line as suites end.
type table struct {
	lines  []*line
	differ int
	empty  int // suites of which nothing has run, without rock even
}

func (t *table) add(w io.Writer, l *line) {
	if len(t.lines) == 0 {
		fmt.Fprintf(w, "%-32s  %-34s  %-34s  %s\n", "SUITE", "WITHOUT ROCK", "UNDER ROCK", "DIFFERENCE")
	}
	t.lines = append(t.lines, l)
	t.differ += len(l.differ)
	if len(l.native) == 0 {
		t.empty++
		fmt.Fprintf(w, "%-32s  nothing has run, without rock even: see -v\n", l.suite)
		return
	}
	what := "none"
	if n := len(l.differ); n > 0 {
		what = fmt.Sprintf("%d tests", n)
	}
	if n := len(l.known); n > 0 {
		what += fmt.Sprintf(", %d known", n)
	}
	fmt.Fprintf(w, "%-32s  %-34s  %-34s  %s (%.0f s, %.0f s)\n", l.suite, l.native, l.rock, what, l.took[0].Seconds(), l.took[1].Seconds())
	for _, test := range l.differ {
		was := string(l.rock[test])
		if was == "" {
			was = "did not end"
		}
		fmt.Fprintf(w, "    %s: %s under rock\n", test, was)
	}
	for test, why := range l.known {
		fmt.Fprintf(w, "    known: %s: %s\n", test, why)
	}
}

// end sums up. The error is that something differs that is not known to.
func (t *table) end(w io.Writer) error {
	tests := 0
	for _, l := range t.lines {
		tests += len(l.native)
	}
	fmt.Fprintf(w, "%d suites, %d tests, %d differences\n", len(t.lines), tests, t.differ)
	if t.differ > 0 {
		return fmt.Errorf("%d tests that pass without rock do not pass under it", t.differ)
	}
	if t.empty > 0 {
		return fmt.Errorf("of %d suites nothing has run", t.empty)
	}
	if len(t.lines) == 0 {
		return fmt.Errorf("no suite was run")
	}
	return nil
}
