package main

import (
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// recoveryTrials: from the moment that the network is back to the next byte in the program, at the end that waits longer. Plain TCP and
// MPTCP are there where they survive.
func recoveryTrials() []*trial {
	const outage = 3 * time.Second
	const tick = 10 * time.Millisecond
	failures := []struct {
		name    string
		options []lab.Option
		ways    []way
		aim     float64 // ms, 0 for none
		// fail makes the failure, undoes it, and says when that was done.
		fail func(l *lab.Lab) time.Time
	}{{
		name: "cable of this host", options: []lab.Option{lab.OnePath}, ways: []way{plainly, underRock}, aim: 300,
		fail: func(l *lab.Lab) time.Time { l.A.Unplug(1); time.Sleep(outage); return l.A.Plug(1) },
	}, {
		name: "cable of the other host", options: []lab.Option{lab.OnePath}, ways: []way{plainly, underRock}, aim: 300,
		fail: func(l *lab.Lab) time.Time { l.B.Unplug(1); time.Sleep(outage); return l.B.Plug(1) },
	}, {
		name: "link that nobody sees", options: []lab.Option{lab.OnePath}, ways: []way{plainly, underRock},
		fail: func(l *lab.Lab) time.Time { l.Swallow(1, true); time.Sleep(outage); return l.Swallow(1, false) },
	}, {
		name: "new address of this host", options: []lab.Option{lab.OnePath}, ways: []way{underRock}, aim: 300,
		fail: func(l *lab.Lab) time.Time {
			l.A.Unplug(1)
			time.Sleep(outage)
			l.A.ChangeAddr(1)
			return l.A.Plug(1)
		},
	}, {
		name: "new address at once", options: []lab.Option{lab.OnePath}, ways: []way{underRock}, aim: 300,
		fail: func(l *lab.Lab) time.Time { return l.A.ChangeAddr(1) },
	}, {
		name: "reset on the way", options: []lab.Option{lab.OnePath}, ways: []way{underRock},
		fail: func(l *lab.Lab) time.Time { return l.InjectRST(1) },
	}, {
		name: "NAT that forgets", options: []lab.Option{lab.OnePath, lab.NAT}, ways: []way{underRock},
		fail: func(l *lab.Lab) time.Time { return l.RebindNAT() },
	}}
	var all []*trial
	for _, f := range failures {
		s := &trial{Name: "recovery, " + f.name, absolute: f.ways[0].name != plainly.name, Metrics: []metric{{"ms until data", "%.0f"}},
			Variants: inWays(f.ways, func(t testing.TB, w way) []float64 {
				l := lab.New(t, f.options...)
				tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: w.server, ClientSide: w.client, Tick: tick, Gap: 3 * tick}.Start(t)
				tr.WaitReceived(t, 2000)
				up := f.fail(l)
				last := max(since(t, tr, tr.Client, up), since(t, tr, tr.Server, up))
				tr.Finish(t)
				return []float64{float64(last.Microseconds()) / 1000}
			})}
		if f.aim > 0 {
			s.aims = []aim{{"rock", 0, atMost, f.aim}}
		}
		all = append(all, s)
	}
	return all
}

// since waits for the first block that an end got after a gap that ended later than a moment, and says how much later. If
// everything went on as if nothing had been it is 0.
func since(t testing.TB, tr *harness.Transfer, p *harness.Proc, moment time.Time) time.Duration {
	t.Helper()
	var d time.Duration
	harness.UntilWithin(t, 3*time.Minute, "data again", func() bool {
		var first int64 = -1
		for _, e := range tr.Events(p) {
			switch {
			case e.At().Before(moment):
			case e.Event == "gap":
				d = e.At().Sub(moment)
				return true
			case first < 0:
				first = e.Received
			case e.Received-first > 16*200: // two seconds' worth
				return true
			}
		}
		return false
	})
	return d
}
