package supervise

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"rock/rocks/group"
)

// client answers, or leaves if it has no answer, and notes what state the group was in.
type client struct {
	s      *supervisor
	answer string
	state  string
}

func (c *client) Progress(group.Progress) {}

func (c *client) Ask(context.Context, group.Question) (string, error) {
	c.state = c.s.state.get()
	if c.answer == "" {
		return "", errors.New("the client has left")
	}
	return c.answer, nil
}

// While it is not known where a group lives its state says so; afterwards it is what it was, unless somebody has changed it.
func TestAskOutcome(t *testing.T) {
	outcome := group.Question{What: group.QuestionOutcome, Host: "b"}
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &supervisor{log: slog.New(slog.DiscardHandler)}
			s.state.set(group.Migrating)
			first, second := &client{s: s, answer: group.AnswerNever}, &client{s: s, answer: group.AnswerNever}
			if leaves {
				first.answer = ""
			}
			answered := make(chan string, 1)
			go func() {
				a, _ := (&asking{s, first}).Ask(t.Context(), outcome)
				answered <- a
			}()
			synctest.Wait()
			if open, err := s.settling.settle(t.Context(), second); open != leaves || leaves && (err == nil || second.state != group.InDoubt) {
				t.Errorf("the next client was asked: %v, in state %q, and got %v", open, second.state, err)
			}
			if a := <-answered; a != group.AnswerNever {
				t.Errorf("got %q, want %q", a, group.AnswerNever)
			}
			if first.state != group.InDoubt || s.state.get() != group.Migrating {
				t.Errorf("state %q when asked and %q afterwards", first.state, s.state.get())
			}
		})
	}
}
