package detect

import (
	"testing"
	"time"

	"rock/rocks/wire"
)

// gateStep is an event at a time after the connection was accepted, and what it
// leads to.
type gateStep struct {
	at    time.Duration
	event Event
	want  Decision
	due   time.Duration // the deadline after it, checked if the decision is Hold
}

func bytesEvent(s string) Event { return Event{Kind: Bytes, Bytes: []byte(s)} }

var (
	eof      = Event{Kind: EOF}
	eofHeld  = Event{Kind: EOF, Held: true}
	reset    = Event{Kind: Reset}
	timer    = Event{Kind: Timer}
	probed   = Event{Kind: Probed}
	ours     = bytesEvent(wire.Magic + "\x01")
	theirs   = bytesEvent("SSH-2.0")
	partly   = bytesEvent(wire.Magic[:3])
	mistaken = bytesEvent(wire.Magic[:3] + "x")
)

// TestGate walks every arrow of the diagram. The round-trip time is 10 ms, so that
// a short hold is 190 ms.
func TestGate(t *testing.T) {
	const (
		weak  = 1459
		ms    = time.Millisecond
		short = 190 * ms
	)
	tests := []struct {
		name  string
		mss   int
		first Decision
		due   time.Duration
		steps []gateStep
	}{
		{"unmarked", 1460, Deliver, 0, nil},
		{"unknown", 0, Deliver, 0, nil},

		{"held, ours", weak, Hold, short, []gateStep{{5 * ms, ours, Ours, 0}}},
		{"held, other bytes", weak, Hold, short, []gateStep{{5 * ms, theirs, Deliver, 0}}},
		{"held, one other byte", weak, Hold, short, []gateStep{{5 * ms, bytesEvent("S"), Deliver, 0}}},
		{"held, time over", weak, Hold, short, []gateStep{{short - 1, timer, Hold, short}, {short, timer, Deliver, 0}}},
		{"held, reset", weak, Hold, short, []gateStep{{5 * ms, reset, Drop, 0}}},
		{"held, no bytes", weak, Hold, short, []gateStep{{5 * ms, bytesEvent(""), Hold, short}}},
		{"held, EOF, time over", weak, Hold, short, []gateStep{{5 * ms, eof, Hold, short}, {short, timer, Deliver, 0}}},
		{"held, EOF, reset", weak, Hold, short, []gateStep{{5 * ms, eof, Hold, short}, {6 * ms, reset, Drop, 0}}},
		{"held, EOF, probe", weak, Hold, short, []gateStep{{5 * ms, eof, Hold, short}, {6 * ms, probed, Drop, 0}}},
		{"held, probe, EOF", weak, Hold, short, []gateStep{{5 * ms, probed, Hold, 3005 * ms}, {6 * ms, eof, Drop, 0}}},
		{"held, probe, reset", weak, Hold, short, []gateStep{{5 * ms, probed, Hold, 3005 * ms}, {6 * ms, reset, Drop, 0}}},
		{"held, probe, ours", weak, Hold, short, []gateStep{{5 * ms, probed, Hold, 3005 * ms}, {6 * ms, ours, Ours, 0}}},
		{"held, probe, other bytes", weak, Hold, short, []gateStep{{5 * ms, probed, Hold, 3005 * ms}, {6 * ms, theirs, Deliver, 0}}},
		{"held, probe, time over", weak, Hold, short, []gateStep{
			{5 * ms, probed, Hold, 3005 * ms}, {short, timer, Hold, 3005 * ms}, {3005 * ms, timer, Deliver, 0}}},
		{"held, probes for ever", weak, Hold, short, []gateStep{
			{100 * ms, probed, Hold, 3100 * ms}, {2999 * ms, probed, Hold, 5999 * ms},
			{3000 * ms, probed, Hold, 5999 * ms}, {5999 * ms, timer, Deliver, 0}}},
		{"held, part of the magic, rest", weak, Hold, short, []gateStep{
			{5 * ms, partly, Hold, 3005 * ms}, {6 * ms, partly, Hold, 3005 * ms}, {7 * ms, ours, Ours, 0}}},
		{"held, part of the magic, other bytes", weak, Hold, short, []gateStep{{5 * ms, partly, Hold, 3005 * ms}, {7 * ms, mistaken, Deliver, 0}}},
		{"held, part of the magic, time over", weak, Hold, short, []gateStep{{5 * ms, partly, Hold, 3005 * ms}, {3005 * ms, timer, Deliver, 0}}},
		{"held, part of the magic, EOF", weak, Hold, short, []gateStep{
			{5 * ms, probed, Hold, 3005 * ms}, {6 * ms, partly, Hold, 3006 * ms}, {7 * ms, eof, Deliver, 0}}},
		{"held, part of the magic, reset", weak, Hold, short, []gateStep{{5 * ms, partly, Hold, 3005 * ms}, {7 * ms, reset, Drop, 0}}},
		{"safe mark", SafeMSS, Hold, 3000 * ms, []gateStep{{short, timer, Hold, 3000 * ms}, {3000 * ms, timer, Deliver, 0}}},

		{"probing, EOF, none held", ProbeMSS, Hold, 3000 * ms, []gateStep{
			{5 * ms, eof, Hold, 30 * ms}, {29 * ms, timer, Hold, 30 * ms}, {30 * ms, timer, Announce, 0}}},
		{"probing, EOF, held", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, eofHeld, Announce, 0}}},
		{"probing, EOF, reset", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, eof, Hold, 30 * ms}, {6 * ms, reset, Drop, 0}}},
		{"probing, EOF, EOF", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, eof, Hold, 30 * ms}, {6 * ms, eofHeld, Hold, 30 * ms}}},
		{"probing, ours", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, ours, Ours, 0}}},
		{"probing, other bytes", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, theirs, Deliver, 0}}},
		{"probing, part of the magic, EOF", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, partly, Hold, 3005 * ms}, {6 * ms, eof, Deliver, 0}}},
		{"probing, time over", ProbeMSS, Hold, 3000 * ms, []gateStep{{3000 * ms, timer, Deliver, 0}}},
		{"probing, reset", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, reset, Drop, 0}}},
		{"probing, another probe", ProbeMSS, Hold, 3000 * ms, []gateStep{{5 * ms, probed, Hold, 3000 * ms}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			accepted := time.Unix(1000, 0)
			g := NewGate(accepted, tt.mss, 10*time.Millisecond, 0)
			check := func(got, want Decision, due time.Duration) {
				t.Helper()
				if got != want {
					t.Errorf("decision = %v, want %v", got, want)
				}
				if d := g.Deadline().Sub(accepted); want == Hold && d != due {
					t.Errorf("deadline after %v, want %v", d, due)
				}
			}
			check(g.Decision(), tt.first, tt.due)
			for _, s := range tt.steps {
				check(g.Step(accepted.Add(s.at), s.event), s.want, s.due)
			}
			if last := g.Decision(); last != Hold {
				for _, e := range []Event{eof, reset, timer, probed, ours, theirs} {
					check(g.Step(accepted.Add(time.Hour), e), last, 0)
				}
			}
		})
	}
}

func TestGateTimes(t *testing.T) {
	tests := []struct {
		name      string
		mss       int
		rtt, hold time.Duration
		want      time.Duration
	}{
		{"unknown round-trip time", 1459, 0, 0, 550 * time.Millisecond},
		{"slow path", 1459, time.Second, 0, 4150 * time.Millisecond},
		{"slow path, safe mark", SafeMSS, time.Second, 0, 4150 * time.Millisecond},
		{"configured hold, safe mark", SafeMSS, time.Millisecond, time.Second, time.Second},
		{"configured hold, weak mark", 1459, time.Millisecond, time.Second, 154 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			if got := NewGate(now, tt.mss, tt.rtt, tt.hold).Deadline().Sub(now); got != tt.want {
				t.Errorf("held for %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDecisionString(t *testing.T) {
	for d, want := range map[Decision]string{
		Hold: "hold", Deliver: "deliver", Ours: "ours", Announce: "announce", Drop: "drop", 9: "decision(9)",
	} {
		if got := d.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}
