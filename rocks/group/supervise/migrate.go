package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"rock/rocks/group"
)

// Migrate answers the control socket: it hands the group over to another host. If it is not known yet what came of the
// migration before, this client is asked.
func (s *supervisor) Migrate(ctx context.Context, o group.MigrateOptions, link group.Transport, d group.Dialogue) (*group.MigrateReport, error) {
	if open, err := s.settling.settle(ctx, d); open {
		_ = link.Close()
		return nil, err
	}
	var report *group.MigrateReport
	err := s.withSubject(group.Migrating, away{host: o.Host}, []*os.File{link.From, link.To}, func(subject Subject) (err error) {
		subject.Step = steps(o.Steps, d)
		report, s.moved, err = s.ckpt.Migrate(ctx, subject, o, link, &asking{s, d})
		if s.moved != nil {
			s.leaveForwarding()
		}
		return err
	})
	if err != nil {
		_ = link.Close()
		s.log.Warn("no migration", "host", o.Host, "error", err)
		return nil, err
	}
	s.log.Info("migration", "host", o.Host, "frozen", report.Frozen, "dry", o.DryRun)
	return report, nil
}

// asking is a dialogue whose questions about the outcome outlive the client.
type asking struct {
	s *supervisor
	group.Dialogue
}

// Ask asks the client, and if that leaves and the answer matters, the next.
func (a *asking) Ask(ctx context.Context, q group.Question) (string, error) {
	if q.What != group.QuestionOutcome {
		return a.Dialogue.Ask(ctx, q)
	}
	answers := a.s.settling.open(q)
	defer a.s.settling.close()
	a.s.state.set(group.InDoubt)
	defer a.s.state.swap(group.InDoubt, group.Migrating)
	answer, err := a.Dialogue.Ask(ctx, q)
	if err == nil && (answer == group.AnswerRuns || answer == group.AnswerNever) {
		return answer, nil
	}
	a.s.log.Warn("in doubt whether the group lives on the other host: waiting for another rockctl migrate", "host", q.Host, "error", err)
	select {
	case answer = <-answers:
		return answer, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// doubt is the question that no client has answered yet.
type doubt struct {
	mu      sync.Mutex
	q       *group.Question // nil: none
	answers chan string
}

func (d *doubt) open(q group.Question) <-chan string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.q, d.answers = &q, make(chan string, 1)
	return d.answers
}

func (d *doubt) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.q = nil
}

// settle asks another client, if there is something to ask. The error says what came of it, for that client.
func (d *doubt) settle(ctx context.Context, client group.Dialogue) (open bool, err error) {
	d.mu.Lock()
	q, answers := d.q, d.answers
	d.mu.Unlock()
	if q == nil {
		return false, nil
	}
	answer, err := client.Ask(ctx, *q)
	if err != nil {
		return true, fmt.Errorf("in doubt whether the group lives on %s: %w", q.Host, err)
	}
	switch answer {
	case group.AnswerRuns:
		err = fmt.Errorf("the group is on %s since the migration before", q.Host)
	case group.AnswerNever:
		err = errors.New("the migration before has failed, and the group goes on here: try again")
	default:
		return true, fmt.Errorf("%q is no answer", answer)
	}
	select {
	case answers <- answer:
	default: // somebody else was faster
	}
	return true, err
}
