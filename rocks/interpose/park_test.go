package interpose

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopped runs f while all threads of the group's process are stopped, much as a
// freezer would stop them. Calls that are held come again since the supervisor sees the stop. Interrupt
// would be wrong here: a stop does not reach all threads at once, as a freezer does, and a call that is
// interrupted in a thread which is not told of any signal returns ERESTARTSYS to the program.
func (g *group) stopped(f func()) {
	g.t.Helper()
	if err := g.process.Signal(syscall.SIGSTOP); err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, "the process is stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", g.process.Pid))
		if err != nil || len(threads) == 0 {
			g.t.Fatalf("threads of process %d: %d, %v", g.process.Pid, len(threads), err)
		}
		for _, thread := range threads {
			if b, err := os.ReadFile(thread); err != nil || !strings.Contains(string(b), ") T ") {
				return false
			}
		}
		return true
	})
	f()
	if err := g.process.Signal(syscall.SIGCONT); err != nil {
		g.t.Fatal(err)
	}
}

// suspend suspends the group's connections.
func (g *group) suspend(ctx context.Context, apart bool) *Suspension {
	g.t.Helper()
	return g.suspendOf(ctx, []int{g.process.Pid}, apart)
}

// suspendOf is suspend for other processes than the first.
func (g *group) suspendOf(ctx context.Context, pids []int, apart bool) *Suspension {
	g.t.Helper()
	s, err := g.ip.Suspend(ctx, pids, apart)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

// throughImage takes the state through its serialized form.
func throughImage(t *testing.T, st *State) {
	t.Helper()
	b, err := st.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	b2, err := again.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, b2) {
		t.Errorf("the state has changed on its way through %d bytes", len(b))
	}
}

func (g *group) resume(s *Suspension) {
	g.t.Helper()
	if err := s.Resume(); err != nil {
		g.t.Fatal(err)
	}
}

// TestPark takes the leg of a busy connection apart and puts it together
// again, at either end, many times, while a checked stream flows both ways.
func TestPark(t *testing.T) { bothWays(t, testPark) }

// bothWays tries a test with sockets that stay connected and with such that do not.
func bothWays(t *testing.T, f func(t *testing.T, apart bool)) {
	for name, apart := range map[string]bool{"connected": false, "apart": true} {
		t.Run(name, func(t *testing.T) { f(t, apart) })
	}
}

func testPark(t *testing.T, apart bool) {
	s := supervise(t, "flood-server", "127.0.0.1:0")
	c := supervise(t, "flood", s.line())
	c.expect("connected")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	drained, rounds := 0, 0
	for ; rounds < 12; rounds++ {
		g := []*group{s, c}[rounds%2]
		g.stopped(func() {
			s := g.suspend(ctx, apart)
			if rounds == 0 { // later on there is much of it
				throughImage(t, s.State())
			}
			for _, l := range s.State().Legs {
				drained += len(l.ToPeer) + len(l.ToProgram)
				if l.Rock < 0 {
					t.Error("parked leg has no rock")
				}
			}
			g.resume(s)
		})
		// Without a link more and more would wait in the supervisors.
		eventually(t, "the rock goes on", func() bool {
			conns := g.endpoint.Conns()
			return len(conns) == 1 && conns[0].State == "established"
		})
	}
	c.say("stop")
	s.say("stop")
	var cSent, cGot, sSent, sGot int
	fmt.Sscan(c.line(), &cSent, &cGot)
	fmt.Sscan(s.line(), &sSent, &sGot)
	if cSent != sGot || sSent != cGot || cSent == 0 {
		t.Errorf("client sent %d and got %d, server sent %d and got %d", cSent, cGot, sSent, sGot)
	}
	if drained == 0 {
		t.Errorf("nothing was under way in %d rounds: the test shows nothing", rounds)
	}
	t.Logf("%d rounds, %d of %d bytes drained", rounds, drained, cSent+sSent)
	c.success()
	s.success()
}

// TestParkHalfClosed parks legs whose one direction has ended.
func TestParkHalfClosed(t *testing.T) { bothWays(t, testParkHalfClosed) }

func testParkHalfClosed(t *testing.T, apart bool) {
	s := supervise(t, "serve-late", "127.0.0.1:0")
	c := supervise(t, "connect", s.line(), "hello")
	s.expect("got hello")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, g := range []*group{c, s} {
		g.stopped(func() {
			sp := g.suspend(ctx, apart)
			throughImage(t, sp.State())
			legs := sp.State().Legs
			if len(legs) != 1 || (legs[0].Left || legs[0].FinDue) != (g == c) || legs[0].PeerFIN != (g == s) {
				t.Errorf("parked %+v, want one leg with the client's end", legs)
			}
			g.resume(sp)
		})
	}
	s.say("answer")
	c.line() // peer
	c.line() // named
	c.expect("late answer")
	c.expect("end after 11 bytes: <nil>")
	c.success()
	s.success()
}
