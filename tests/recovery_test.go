package tests

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// The bounds that are promised. Recovery is counted from the moment that the link
// is back to the next byte in the program.
const (
	noticeIdle   = 3 * time.Second
	noticeLocal  = 300 * time.Millisecond // "at once"
	recoverLocal = 300 * time.Millisecond
	recoverOther = 2 * time.Second
)

const tick = 10 * time.Millisecond

// conn is a line of rockctl conns --json, as far as needed.
type conn struct {
	ID     string
	State  string
	Remote string
	Since  time.Time
	Error  string
}

// conns asks rockctl on a host, as root, for its rocks.
func conns(t *testing.T, h *lab.Host) []conn {
	t.Helper()
	cmd := h.Command(harness.Program(t, "rockctl"), "conns", "--json")
	cmd.Env = append(os.Environ(), "ROCK_RUNTIME_DIR="+harness.RuntimeDir(h, ""))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rockctl conns --json: %v\n%s", err, &complaint)
	}
	var all []conn
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("rockctl conns --json: %v\n%s", err, out)
	}
	return all
}

// since waits until the host's one rock is in a state, and says since when.
func since(t *testing.T, h *lab.Host, state string) time.Time {
	t.Helper()
	var at time.Time
	harness.Until(t, "a rock that is "+state+" on "+h.Name, func() bool {
		all := conns(t, h)
		if len(all) != 1 || all[0].State != state {
			return false
		}
		at = all[0].Since
		return true
	})
	return at
}

// idle is a lab with one path and a rock on it over which nothing is sent.
func idle(t *testing.T) (*lab.Lab, *harness.Transfer) {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.OnePath)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock, Idle: true}.Start(t)
	since(t, l.A, "established")
	since(t, l.B, "established")
	return l, tr
}

func wantWithin(t *testing.T, what string, got, bound time.Duration) {
	t.Helper()
	t.Logf("%s took %v", what, got)
	if got > bound {
		t.Errorf("%s took %v, more than %v", what, got, bound)
	}
}

// A link that fails where nobody sees it is found out by heartbeats.
func TestRecoveryIdleFailureIsNoticed(t *testing.T) {
	l, tr := idle(t)
	down := l.Swallow(1, true)
	for _, h := range []*lab.Host{l.A, l.B} {
		wantWithin(t, h.Name+" noticing", since(t, h, "suspended").Sub(down), noticeIdle)
	}
	l.Swallow(1, false)
	since(t, l.A, "established")
	tr.Finish(t)
}

// A cable that is pulled, or an address that goes, is noticed at once by the host
// that it happens to.
func TestRecoveryLocalFailureIsNoticed(t *testing.T) {
	for name, fail := range map[string]func(l *lab.Lab) time.Time{
		"cable":   func(l *lab.Lab) time.Time { return l.A.Unplug(1) },
		"address": func(l *lab.Lab) time.Time { l.Swallow(1, true); return l.A.ChangeAddr(1) },
	} {
		t.Run(name, func(t *testing.T) {
			l, tr := idle(t)
			down := fail(l)
			wantWithin(t, "noticing", since(t, l.A, "suspended").Sub(down), noticeLocal)
			l.A.Plug(1)
			l.Swallow(1, false)
			since(t, l.A, "established")
			tr.Finish(t)
		})
	}
}

// ticking is a lab with one path and a stream of small blocks both ways on it.
func ticking(t *testing.T, s harness.Side, options ...lab.Option) (*lab.Lab, *harness.Transfer) {
	t.Helper()
	l := lab.New(t, options...)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: s, ClientSide: s, Tick: tick}.Start(t)
	tr.WaitReceived(t, 1000)
	return l, tr
}

// firstAfter waits for the gap that an end's program saw around a moment, and says
// when its next block came.
func firstAfter(t *testing.T, tr *harness.Transfer, p *harness.Proc, moment time.Time) time.Time {
	t.Helper()
	var at time.Time
	harness.Until(t, "data again", func() bool {
		for _, e := range tr.Events(p) {
			if e.Event == "gap" && e.At().After(moment) {
				at = e.At()
				return true
			}
		}
		return false
	})
	return at
}

// Data flows again soon after a link is back. How soon depends on who can see it.
func TestRecoveryDataFlowsAgain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		down, up func(l *lab.Lab) time.Time
		outages  []time.Duration
		bound    time.Duration
	}{{
		name:    "cable of this host",
		down:    func(l *lab.Lab) time.Time { return l.A.Unplug(1) },
		up:      func(l *lab.Lab) time.Time { return l.A.Plug(1) },
		outages: []time.Duration{time.Second, 5500 * time.Millisecond},
		bound:   recoverLocal,
	}, {
		name:    "cable of the other host",
		down:    func(l *lab.Lab) time.Time { return l.B.Unplug(1) },
		up:      func(l *lab.Lab) time.Time { return l.B.Plug(1) },
		outages: []time.Duration{time.Second, 5500 * time.Millisecond},
		bound:   recoverLocal,
	}, {
		name:    "new address of this host",
		down:    func(l *lab.Lab) time.Time { return l.A.Unplug(1) },
		up:      func(l *lab.Lab) time.Time { l.A.ChangeAddr(1); return l.A.Plug(1) },
		outages: []time.Duration{6 * time.Second},
		bound:   recoverLocal,
	}, {
		// The lengths differ so that the end of the outage meets whatever is done every
		// second or two at different moments.
		name:    "link that nobody sees",
		down:    func(l *lab.Lab) time.Time { return l.Swallow(1, true) },
		up:      func(l *lab.Lab) time.Time { return l.Swallow(1, false) },
		outages: []time.Duration{5 * time.Second, 6300 * time.Millisecond, 7600 * time.Millisecond},
		bound:   recoverOther,
	}} {
		t.Run(tt.name, func(t *testing.T) {
			harness.BothSides(t, func(t *testing.T, s harness.Side) {
				l, tr := ticking(t, s, lab.OnePath)
				if s == harness.Plain {
					// How long plain TCP takes is its own affair; that the next block is
					// found and that nothing was lost shows that the scenario is right.
					tt.down(l)
					time.Sleep(time.Second)
					if up := tt.up(l); tt.name != "new address of this host" {
						firstAfter(t, tr, tr.Server, up)
						tr.Finish(t)
					}
					return
				}
				for _, outage := range tt.outages {
					tt.down(l)
					time.Sleep(outage)
					up := tt.up(l)
					for _, p := range []*harness.Proc{tr.Server, tr.Client} {
						wantWithin(t, "data again", firstAfter(t, tr, p, up).Sub(up), tt.bound)
					}
				}
				tr.Finish(t)
			})
		})
	}
}

// When a path fails that this host can see and there is another one, data flows
// over that one at once.
func TestRecoveryOverTheOtherPath(t *testing.T) {
	harness.SkipUnlessPlain(t, harness.Rock)
	l, tr := ticking(t, harness.Rock)
	down := l.A.Unplug(1)
	time.Sleep(time.Second)
	for _, p := range []*harness.Proc{tr.Server, tr.Client} {
		at := down // no gap is as good as it gets
		for _, e := range tr.Events(p) {
			if e.Event == "gap" && e.At().After(down) {
				at = e.At()
			}
		}
		wantWithin(t, "data over the other path", at.Sub(down), recoverLocal)
	}
	tr.WaitReceived(t, tr.Received()+1000)
	tr.Finish(t)
}
