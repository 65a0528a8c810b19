package main

import (
	"fmt"
	"io"
)

// table is what is printed, line by line as suites end.
type table struct {
	lines  []*line
	differ int
	broken int // suites that have not run as they should, without rock even
}

func (t *table) add(w io.Writer, l *line) {
	if len(t.lines) == 0 {
		fmt.Fprintf(w, "%-32s  %-34s  %-34s  %6s  %s\n", "SUITE", "WITHOUT ROCK", "UNDER ROCK", "ROCKS", "DIFFERENCE")
	}
	t.lines = append(t.lines, l)
	t.differ += len(l.differ)
	if complaint := l.complaint(); complaint != "" {
		t.broken++
		fmt.Fprintf(w, "%-32s  %s\n", l.suite, complaint)
	}
	if l.rock == nil {
		return
	}
	what := "none"
	if n := len(l.differ); n > 0 {
		what = fmt.Sprintf("%d tests", n)
	}
	if n := len(l.known); n > 0 {
		what += fmt.Sprintf(", %d known", n)
	}
	fmt.Fprintf(w, "%-32s  %-34s  %-34s  %6d  %s (%.0f s, %.0f s)\n", l.suite, l.native, l.rock, l.rock.rocks, what,
		l.native.took.Seconds(), l.rock.took.Seconds())
	for _, test := range l.differ {
		was := string(l.rock.results[test])
		if was == "" {
			was = "did not end"
		}
		fmt.Fprintf(w, "    %s: %s under rock\n", test, was)
	}
	for test, why := range l.known {
		fmt.Fprintf(w, "    known: %s: %s\n", test, why)
	}
}

// complaint says why a comparison is not worth anything, if it is not.
func (l *line) complaint() string {
	switch {
	case len(l.native.results) == 0:
		return "nothing has run, without rock even: see -v"
	case l.native.limit != 0:
		return fmt.Sprintf("has not ended in %v, without rock even", l.native.limit)
	case l.rock.side != whole && l.native.count(failed) > 0:
		return fmt.Sprintf("%d tests of ours fail without rock: see -v", l.native.count(failed))
	case l.rock.side == both && l.rock.rocks == 0:
		return "there was not a single rock"
	}
	return ""
}

// end sums up. The error is that something differs that is not known to.
func (t *table) end(w io.Writer) error {
	tests, rocks := 0, 0
	for _, l := range t.lines {
		tests += len(l.native.results)
		if l.rock != nil {
			rocks += l.rock.rocks
		}
	}
	fmt.Fprintf(w, "%d suites, %d tests, %d rocks, %d differences\n", len(t.lines), tests, rocks, t.differ)
	if t.differ > 0 {
		return fmt.Errorf("%d tests that pass without rock do not pass under it", t.differ)
	}
	if t.broken > 0 {
		return fmt.Errorf("%d suites have not run as they should", t.broken)
	}
	if len(t.lines) == 0 {
		return fmt.Errorf("no suite was run")
	}
	return nil
}
