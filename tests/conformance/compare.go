package main

import (
	"context"
	"fmt"
	"slices"
)

// line is what became of a suite, or of one side of it.
type line struct {
	suite        string
	native, rock *course
	differ       []string          // tests that pass without rock and not with it
	known        map[string]string // those of them that are known, and why
}

// repeats is how often what differs is run again.
const repeats = 2

// compare runs a suite without rock, and each of its sides under it.
func compare(ctx context.Context, r *runner, s *suite) ([]*line, error) {
	if s.prepare != nil {
		if err := s.prepare(r.dir); err != nil {
			return nil, err
		}
	}
	native, err := r.run(ctx, s, nil, native)
	if err != nil {
		return nil, err
	}
	if len(native.results) == 0 {
		return []*line{{suite: s.name, native: native}}, nil // which the table complains of
	}
	var all []*line
	for _, side := range s.sides {
		l := &line{suite: s.name, native: native, known: map[string]string{}}
		if side != whole {
			l.suite += ": " + side.String()
		}
		if l.rock, err = r.run(ctx, s, nil, side); err != nil {
			return nil, err
		}
		l.differ = differences(native.results, l.rock.results)
		for i := 0; i < repeats && len(l.differ) > 0; i++ {
			if err := again(ctx, r, s, side, l); err != nil {
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
		all = append(all, l)
	}
	return all, nil
}

// again keeps those of the differences that show once more: without rock they pass, with it they do not.
func again(ctx context.Context, r *runner, s *suite, side side, l *line) error {
	native, err := r.run(ctx, s, l.differ, native)
	if err != nil {
		return err
	}
	rock, err := r.run(ctx, s, l.differ, side)
	if err != nil {
		return err
	}
	still := differences(native.results, rock.results)
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
