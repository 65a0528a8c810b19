package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// line is what became of a suite.
type line struct {
	suite        string
	native, rock results
	took         [2]time.Duration
	differ       []string          // tests that pass without rock and not with it
	known        map[string]string // those of them that are known, and why
}

// repeats is how often what differs is run again.
const repeats = 2

// compare runs a suite without and with rock.
func compare(ctx context.Context, r *runner, s *suite) (*line, error) {
	if s.prepare != nil {
		if err := s.prepare(r.dir); err != nil {
			return nil, err
		}
	}
	l := &line{suite: s.name, known: map[string]string{}}
	var err error
	if l.native, l.took[0], err = r.run(ctx, s, nil, false); err != nil {
		return nil, err
	}
	if len(l.native) == 0 {
		return l, nil // which the table complains of
	}
	if l.rock, l.took[1], err = r.run(ctx, s, nil, true); err != nil {
		return nil, err
	}
	l.differ = differences(l.native, l.rock)
	for i := 0; i < repeats && len(l.differ) > 0; i++ {
		if err := again(ctx, r, s, l); err != nil {
			return nil, err
		}
	}
	l.differ = slices.DeleteFunc(l.differ, func(test string) bool {
		why, is := s.known[test]
		if is {
			l.known[test] = why
		}
		return is
	})
	return l, nil
}

// again keeps those of the differences that show once more: without rock they pass, with it they do not.
func again(ctx context.Context, r *runner, s *suite, l *line) error {
	native, _, err := r.run(ctx, s, l.differ, false)
	if err != nil {
		return err
	}
	rock, _, err := r.run(ctx, s, l.differ, true)
	if err != nil {
		return err
	}
	still := differences(native, rock)
	l.differ = slices.DeleteFunc(l.differ, func(test string) bool { return !slices.Contains(still, test) })
	return nil
}

// differences are the tests that pass in the one and not in the other, sorted.
func differences(native, rock results) []string {
	var all []string
	for test, o := range native {
		if o == passed && rock[test] != passed {
			all = append(all, test)
		}
	}
	slices.Sort(all)
	return all
}

// count says how many tests there are of an outcome.
func (r results) count(o outcome) (n int) {
	for _, have := range r {
		if have == o {
			n++
		}
	}
	return n
}

func (r results) String() string {
	return fmt.Sprintf("%d ok, %d failed, %d skipped", r.count(passed), r.count(failed), r.count(skipped))
}
