package migrate

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rock/ckpt"
	"rock/migrate/stream"
	"rock/rocks/group"
	"rock/rocks/group/supervise"
)

// cell is a supervise.Cell that only knows whether it is marked.
type cell struct {
	supervise.Cell
	marked bool
}

func (c *cell) Mark() error   { c.marked = true; return nil }
func (c *cell) Unmark() error { c.marked = false; return nil }

// client answers the one question that matters.
type client struct {
	answer string
	asked  *group.Question
}

func (c *client) Progress(group.Progress) {}

func (c *client) Ask(_ context.Context, q group.Question) (string, error) {
	c.asked = &q
	return c.answer, nil
}

// TestCommit goes through what can happen from the decision on: who owns the group in the end?
func TestCommit(t *testing.T) {
	tests := []struct {
		name   string
		target func(t *testing.T, c *stream.Conn, link net.Conn, leave func()) // what the target does when commit has come
		early  bool                                                            // the client leaves before
		answer string                                                          // what the journal says
		asked  bool                                                            // whether it should be asked
		owner  string
	}{
		{name: "done", owner: "target", target: func(t *testing.T, c *stream.Conn, _ net.Conn, _ func()) {
			send(t, c, kindDone, done{Pid: 7})
		}},
		{name: "the client leaves, done", owner: "target", target: func(t *testing.T, c *stream.Conn, _ net.Conn, leave func()) {
			leave()
			time.Sleep(time.Second)
			send(t, c, kindDone, done{Pid: 7})
		}},
		{name: "the restore fails", owner: "source", target: func(t *testing.T, c *stream.Conn, _ net.Conn, _ func()) {
			send(t, c, kindAbort, abort{Reason: "out of memory"})
		}},
		{name: "the end, and it runs", owner: "target", asked: true, answer: group.AnswerRuns, target: func(_ *testing.T, _ *stream.Conn, link net.Conn, _ func()) {
			link.Close()
		}},
		{name: "the end, and it does not run", owner: "source", asked: true, answer: group.AnswerNever, target: func(_ *testing.T, _ *stream.Conn, link net.Conn, _ func()) {
			link.Close()
		}},
		{name: "nothing more, and it runs", owner: "target", asked: true, answer: group.AnswerRuns},
		{name: "nothing more, and it does not run", owner: "source", asked: true, answer: group.AnswerNever},
		{name: "the client has left", owner: "source", early: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				ctx, leave := context.WithCancel(t.Context())
				held, asked := &cell{}, &client{answer: tt.answer}
				x := newSource(ctx, supervise.Subject{Cell: held, Logger: slog.New(slog.DiscardHandler)},
					group.MigrateOptions{Token: "0123456789abcdef", Host: "b"}, here, asked, "test")
				x.hold = context.AfterFunc(x.ctx, func() { here.Close() })
				committed := make(chan bool, 1)
				go func() { committed <- playTarget(t, there, leave, tt.target) }()
				if err := x.conn.Hello(); err != nil {
					t.Fatal(err)
				}
				x.line = newLine(x.conn, x.cancel)
				x.line.hurry(silence)
				if tt.early {
					leave()
					synctest.Wait()
				}
				err := x.commit()
				owner := "target"
				if err != nil {
					owner = "source"
				}
				if owner != tt.owner || held.marked != (owner == "target") {
					t.Errorf("the %s owns the group (%v, marked: %v), want the %s", owner, err, held.marked, tt.owner)
				}
				if (asked.asked != nil) != tt.asked || tt.asked && (asked.asked.What != group.QuestionOutcome || asked.asked.Token != x.options.Token) {
					t.Errorf("asked %+v", asked.asked)
				}
				here.Close()
				there.Close()
				x.line.wait()
				if c := <-committed; c == tt.early {
					t.Errorf("commit was sent: %v", c)
				}
			})
		})
	}
}

// playTarget plays a target that waits for commit, and says whether it came.
func playTarget(t *testing.T, link net.Conn, leave func(), then func(*testing.T, *stream.Conn, net.Conn, func())) (committed bool) {
	c := stream.New(link, link)
	if err := c.Hello(); err != nil {
		t.Error(err)
		return false
	}
	for {
		f, err := c.Receive()
		if err != nil {
			return committed
		}
		if f.Kind != kindCommit {
			continue
		}
		committed = true
		if then != nil {
			go then(t, c, link, leave)
		}
	}
}

func send(t *testing.T, c *stream.Conn, kind uint8, body any) {
	if err := c.Send(kind, body); err != nil {
		t.Error(err)
	}
}

// lines connects a line with a target that plays as it likes.
func lines(t *testing.T) (l *line, ctx context.Context, there *stream.Conn, end func()) {
	a, b := net.Pipe()
	here := stream.New(a, a)
	there = stream.New(b, b)
	greeted := make(chan error, 1)
	go func() { greeted <- there.Hello() }()
	if err := errors.Join(here.Hello(), <-greeted); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	l = newLine(here, cancel)
	go func() { _, _ = io.Copy(io.Discard, b) }() // what this end says
	return l, ctx, there, func() {
		a.Close()
		b.Close()
		l.wait()
	}
}

// A target that says nothing is lost while the group stands still, and has time while it runs.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx, _, end := lines(t)
		defer end()
		time.Sleep(patience - time.Second)
		if ctx.Err() != nil {
			t.Fatalf("given up while the group runs: %v", context.Cause(ctx))
		}
		l.hurry(silence)
		time.Sleep(silence - aliveEvery)
		if ctx.Err() != nil {
			t.Fatalf("given up too early: %v", context.Cause(ctx))
		}
		time.Sleep(3 * aliveEvery)
		if !errors.Is(context.Cause(ctx), errSilent) {
			t.Errorf("after more than %v the cause is %v, want %v", silence, context.Cause(ctx), errSilent)
		}
	})
}

// Once it is decided, a silence is for whoever waits for what has been decided.
func TestSilenceAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx, _, end := lines(t)
		defer end()
		l.hurry(silence)
		waits, silent := context.WithCancelCause(t.Context())
		l.commit(doubtTime, silent)
		time.Sleep(doubtTime - aliveEvery)
		if waits.Err() != nil {
			t.Fatalf("in doubt too early: %v", context.Cause(waits))
		}
		time.Sleep(3 * aliveEvery)
		if !errors.Is(context.Cause(waits), errSilent) || ctx.Err() != nil {
			t.Errorf("after more than %v the cause is %v, and to give up %v", doubtTime, context.Cause(waits), context.Cause(ctx))
		}
	})
}

// A target that says that it lives is waited for.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx, there, end := lines(t)
		defer end()
		l.hurry(silence)
		for range 100 {
			time.Sleep(silence / 2)
			send(t, there, kindAlive, nil)
		}
		if ctx.Err() != nil {
			t.Errorf("given up: %v", context.Cause(ctx))
		}
	})
}

// What the other end gives as its reason is the reason, and what it says before the end is heard.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx, there, end := lines(t)
		defer end()
		send(t, there, kindProgress, progress{Phase: "restore"})
		send(t, there, kindReady, ready{})
		send(t, there, kindAbort, abort{Reason: "the disk is full"})
		synctest.Wait()
		var phases []string
		err := l.expect(t.Context(), kindReady, &ready{}, func(p group.Progress) { phases = append(phases, p.Phase) })
		if err != nil || strings.Join(phases, " ") != "restore" {
			t.Errorf("got %v after %q", err, phases)
		}
		var aborted *abortedError
		if err := l.expect(t.Context(), kindDone, nil, nil); !errors.As(err, &aborted) || err.Error() != "the disk is full" {
			t.Errorf("got %v, want the reason of the other end", err)
		}
		if cause := context.Cause(ctx); !errors.As(cause, &aborted) {
			t.Errorf("the cause is %v", cause)
		}
	})
}

// Messages at a wrong time and files that nobody wants end it.
func TestWrongMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx, there, end := lines(t)
		defer end()
		send(t, there, kindDone, done{})
		if err := l.expect(t.Context(), kindReady, &ready{}, nil); err == nil || !strings.Contains(err.Error(), "kind 7") {
			t.Errorf("got %v for done instead of ready", err)
		}
		send(t, there, kindFile, file{ID: 1, Name: "x"})
		synctest.Wait()
		if cause := context.Cause(ctx); cause == nil || !strings.Contains(cause.Error(), "nobody has asked for") {
			t.Errorf("the cause is %v, want that nobody asked for files", cause)
		}
	})
}

// TestWhy keeps the verdict of a target that hangs up right behind it.
func TestWhy(t *testing.T) {
	ended, other := errors.New("the connection has ended"), errors.New("something else")
	for _, err := range []error{&lookedError{}, &ckpt.PreflightError{}, other} {
		here, there := net.Pipe()
		defer there.Close()
		x := newSource(t.Context(), supervise.Subject{}, group.MigrateOptions{}, here, &client{}, "test")
		x.cancel(ended)
		want := err
		if err == other {
			want = ended
		}
		if got := x.why(err); got != want {
			t.Errorf("%T: got %v, want %v", err, got, want)
		}
	}
}
