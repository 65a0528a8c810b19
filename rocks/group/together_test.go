package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// walk comes to each step after a time, and says so.
func walk(ctx context.Context, pause time.Duration, came func(string), answer func(context.Context, Question) (string, error)) error {
	for _, step := range Steps() {
		time.Sleep(pause)
		came(step)
		if a, err := answer(ctx, Question{What: QuestionStep, Point: step}); err != nil || a != AnswerGo {
			return fmt.Errorf("at %s: %q %w", step, a, err)
		}
	}
	return nil
}

// None of a set is ahead of another by more than the step that it waits at.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at [5]atomic.Int64
		errs := Together(t.Context(), len(at), Steps(), func(ctx context.Context, i int, answer func(context.Context, Question) (string, error)) error {
			return walk(ctx, time.Duration(i)*time.Second, func(string) {
				mine := at[i].Add(1)
				for j := range at {
					if other := at[j].Load(); other < mine-1 {
						t.Errorf("%d is at step %d while %d is at %d", i, mine, j, other)
					}
				}
			}, answer)
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}

// When one fails before the end the others are given up, and say that it is not their fault.
func TestTogetherFails(t *testing.T) {
	broken := errors.New("broken")
	for _, where := range Steps() {
		synctest.Test(t, func(t *testing.T) {
			errs := Together(t.Context(), 3, Steps(), func(ctx context.Context, i int, answer func(context.Context, Question) (string, error)) error {
				failed := false
				err := walk(ctx, time.Second, func(step string) { failed = i == 1 && step == where }, func(ctx context.Context, q Question) (string, error) {
					if failed {
						return "", broken
					}
					return answer(ctx, q)
				})
				return err
			})
			for i, err := range errs {
				if i == 1 && (!errors.Is(err, broken) || GivenUpForOthers(err)) {
					t.Errorf("%s: error of the one that failed: %v", where, err)
				}
				if i != 1 && !GivenUpForOthers(err) {
					t.Errorf("%s: error of %d: %v, want that another failed", where, i, err)
				}
			}
		})
	}
}

// What fails after the last step concerns nobody else.
func TestTogetherFailsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := Together(t.Context(), 3, Steps(), func(ctx context.Context, i int, answer func(context.Context, Question) (string, error)) error {
			err := walk(ctx, 0, func(string) {}, answer)
			if i == 1 {
				return errors.New("too late")
			}
			time.Sleep(time.Minute)
			return errors.Join(err, ctx.Err())
		})
		if errs[0] != nil || errs[1] == nil || errs[2] != nil {
			t.Errorf("got %v, want an error of the second alone", errs)
		}
	})
}

func TestSet(t *testing.T) {
	var all []Group
	for _, name := range []string{"ring.1", "other", "ring", "ring.0", "", "ringer", "ring-2", "a.ring"} {
		all = append(all, Group{Info: Info{Name: name}})
	}
	members, err := Set(all, "ring")
	var names []string
	for _, g := range members {
		names = append(names, g.Name)
	}
	if want := []string{"ring.1", "ring", "ring.0"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v, want %q", names, err, want)
	}
	if _, err := Set(all, "none"); !errors.Is(err, ErrNoGroup) {
		t.Errorf("got %v for a set without members", err)
	}
	if _, err := Set(all, "a b"); err == nil || !strings.Contains(err.Error(), "letters") {
		t.Errorf("got %v for a name that is none", err)
	}
}
