package detect

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks/wire"
)

const testRTT = 10 * time.Millisecond // a short hold is 190 ms

var (
	ipA = netip.MustParseAddr("192.0.2.1")
	ipB = netip.MustParseAddr("2001:db8::1")
)

// admit takes in a connection that must be held.
func admit(t *testing.T, h *Held, ip netip.Addr, mss int) *Entry {
	t.Helper()
	e, d := h.Admit(ip, mss, testRTT)
	if d != Hold || e == nil {
		t.Fatalf("Admit(%v, %d) = %v, want hold", ip, mss, d)
	}
	return e
}

func wantDecision(t *testing.T, what string, got, want Decision) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func wantHeld(t *testing.T, h *Held, ip netip.Addr, want bool, length int) {
	t.Helper()
	if got := h.Any(ip); got != want {
		t.Errorf("Any(%v) = %v, want %v", ip, got, want)
	}
	if got := h.Len(); got != length {
		t.Errorf("Len = %d, want %d", got, length)
	}
}

// TestHeldDetection is the whole story of a rock client's first connection.
func TestHeldDetection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeld(HeldOptions{})
		first := admit(t, h, ipA, 1459)
		wantHeld(t, h, ipA, true, 1)
		wantHeld(t, h, ipB, false, 1)

		time.Sleep(20 * time.Millisecond)
		probe := admit(t, h, netip.MustParseAddr("::ffff:192.0.2.1"), ProbeMSS)
		wantDecision(t, "probe EOF", probe.EOF(), Announce)
		if !probe.Held() {
			t.Error("the announcement says that nothing is held")
		}
		time.Sleep(170 * time.Millisecond)
		wantDecision(t, "short hold over", first.Timer(), Hold)
		time.Sleep(time.Until(first.Deadline()) - 1)
		wantDecision(t, "long hold", first.Timer(), Hold)
		wantDecision(t, "hello", first.Bytes([]byte(wire.Magic)), Ours)
		wantHeld(t, h, ipA, false, 0)
		wantDecision(t, "afterwards", first.Reset(), Ours)
	})
}

// TestHeldLostMark checks the answer to a probe whose marked connection lost its
// mark on the way, or came from elsewhere.
func TestHeldLostMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeld(HeldOptions{})
		if e, d := h.Admit(ipA, 1460, testRTT); e != nil || d != Deliver {
			t.Errorf("Admit of an unmarked connection = %v, %v, want deliver", e, d)
		}
		other := admit(t, h, ipB, 1459)
		probe := admit(t, h, ipA, ProbeMSS)
		wantDecision(t, "EOF", probe.EOF(), Hold)
		time.Sleep(time.Until(probe.Deadline()))
		wantDecision(t, "grace over", probe.Timer(), Announce)
		if probe.Held() {
			t.Error("the announcement says that something is held")
		}
		time.Sleep(time.Until(other.Deadline()))
		wantDecision(t, "another host's", other.Timer(), Deliver)
		wantHeld(t, h, ipB, false, 0)
	})
}

// TestHeldOvertaken checks a probe that is accepted, and even ends, before the
// marked connection that belongs to it.
func TestHeldOvertaken(t *testing.T) {
	for _, ended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := NewHeld(HeldOptions{})
			probe := admit(t, h, ipA, ProbeMSS)
			if ended {
				wantDecision(t, "EOF", probe.EOF(), Hold)
			}
			time.Sleep(time.Millisecond)
			marked := admit(t, h, ipA, 1459)
			if got := time.Until(marked.Deadline()); got != LongHold {
				t.Errorf("the marked connection is held for %v, want %v", got, LongHold)
			}
			if ended {
				time.Sleep(time.Until(probe.Deadline()))
				wantDecision(t, "grace over", probe.Timer(), Announce)
			} else {
				wantDecision(t, "EOF", probe.EOF(), Announce)
			}
			if !probe.Held() {
				t.Error("the announcement says that nothing is held")
			}
		})
	}
}

// TestHeldTooLate checks that the held flag is not given for a connection that may
// be delivered before a hello has come.
func TestHeldTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeld(HeldOptions{})
		marked := admit(t, h, ipA, 1459)
		admit(t, h, ipA, ProbeMSS).Release()
		time.Sleep(LongHold - time.Millisecond)
		wantDecision(t, "still held", marked.Timer(), Hold)
		admit(t, h, ipA, ProbeMSS).Release() // the last that extends
		time.Sleep(10 * time.Millisecond)
		probe := admit(t, h, ipA, ProbeMSS)
		wantDecision(t, "EOF", probe.EOF(), Hold)
		time.Sleep(time.Until(probe.Deadline()))
		wantDecision(t, "grace over", probe.Timer(), Announce)
		wantHeld(t, h, ipA, true, 1)
		if probe.Held() {
			t.Error("the announcement promises a hold that is about to end")
		}
	})
}

// TestHeldSilentClient is an ordinary client whose MSS looks marked by chance: it
// half-closes without a byte and wants to hear the server.
func TestHeldSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeld(HeldOptions{})
		e := admit(t, h, ipA, 1459)
		wantDecision(t, "EOF", e.EOF(), Hold)
		wantHeld(t, h, ipA, false, 1) // no hello can come on it any more
		time.Sleep(time.Until(e.Deadline()))
		wantDecision(t, "time over", e.Timer(), Deliver)
	})
}

// TestHeldDropped is a rock client that gives up its first connection.
func TestHeldDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeld(HeldOptions{})
		byReset, byEOF, early := admit(t, h, ipA, 1459), admit(t, h, ipA, 1459), admit(t, h, ipA, 1459)
		wantDecision(t, "EOF before the probe", early.EOF(), Hold)
		probe := admit(t, h, ipA, ProbeMSS)
		wantDecision(t, "EOF before the probe", early.Timer(), Drop)
		wantDecision(t, "reset", byReset.Reset(), Drop)
		wantDecision(t, "EOF", byEOF.EOF(), Drop)
		wantDecision(t, "probe reset", probe.Reset(), Drop)
		wantHeld(t, h, ipA, false, 0)
	})
}

func TestHeldLimit(t *testing.T) {
	h := NewHeld(HeldOptions{Limit: 2})
	first := admit(t, h, ipA, 1459)
	admit(t, h, ipB, ProbeMSS)
	if e, d := h.Admit(ipA, SafeMSS, testRTT); e != nil || d != Deliver {
		t.Errorf("Admit above the limit = %v, %v, want deliver", e, d)
	}
	first.Release()
	first.Release()
	wantHeld(t, h, ipA, false, 1)
	admit(t, h, ipA, 1459)
}

func TestHeldConcurrent(t *testing.T) {
	h := NewHeld(HeldOptions{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mss := []int{1459, ProbeMSS, SafeMSS}[i%3]
			for range 200 {
				e, d := h.Admit(ipA, mss, testRTT)
				if d != Hold {
					t.Errorf("Admit = %v, want hold", d)
					return
				}
				e.Deadline()
				h.Any(ipA)
				e.EOF()
				e.Timer()
				e.Held()
				e.Release()
			}
		})
	}
	wg.Wait()
	wantHeld(t, h, ipA, false, 0)
}
