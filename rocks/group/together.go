package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Together performs an operation on each of n members of a set at once, in steps: none goes on behind a step before all have come to
// it. op performs it for member i; it must have the supervisor ask at each step and give the questions to answer, which gives
// other questions than those to nobody. If one member fails before the last step is done, all others are
// given up: their ctx ends. Together waits for all, and returns their errors, those first that were not caused by
// others. After the last step it is each member's own affair.
func Together(ctx context.Context, n int, steps []string, op func(ctx context.Context, i int, answer func(context.Context, Question) (string, error)) error) []error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &barriers{steps: steps, members: n, passed: make([]chan struct{}, len(steps)), at: make([]int, len(steps))}
	for i := range s.passed {
		s.passed[i] = make(chan struct{})
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			errs[i] = op(ctx, i, s.answer)
			if errs[i] != nil && !s.over() {
				cancel(&givenUpError{errs[i]})
			}
		})
	}
	all.Wait()
	return errs
}

// givenUpError says that an operation was given up because another member of the set has failed.
type givenUpError struct{ other error }

func (e *givenUpError) Error() string { return fmt.Sprintf("another of the set failed: %v", e.other) }

// GivenUpForOthers says whether a member failed only because another one did.
func GivenUpForOthers(err error) bool {
	return errors.As(err, new(*givenUpError))
}

// barriers are the steps of an operation on a set.
type barriers struct {
	steps   []string
	members int

	mu     sync.Mutex
	at     []int           // how many members have come to each step
	passed []chan struct{} // closed when all have
}

// over says whether all have come to the last step.
func (s *barriers) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[len(s.at)-1] == s.members
}

// answer waits until all have come to a step.
func (s *barriers) answer(ctx context.Context, q Question) (string, error) {
	passed, err := s.reach(q)
	if err != nil {
		return "", err
	}
	select {
	case <-passed:
		return AnswerGo, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (s *barriers) reach(q Question) (<-chan struct{}, error) {
	if q.What != QuestionStep {
		return nil, errNotAsked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, step := range s.steps {
		if step != q.Point {
			continue
		}
		if s.at[i]++; s.at[i] == s.members {
			close(s.passed[i])
		}
		return s.passed[i], nil
	}
	return nil, fmt.Errorf("the supervisor comes to an unknown step: %s", q.Point)
}

// Steps are those of checkpoints and migrations, in order.
func Steps() []string { return []string{StepFrozen, StepQuiet, StepReady} }
