package flight

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// arena is a Memory, and a trace in it.
type arena struct {
	trace Trace

	mu     sync.Mutex
	next   uint64
	pieces map[uint64][]byte
	left   int // pieces that may still be taken; -1: any number
}

func newArena() *arena {
	w := new([4]atomic.Uint64)
	return &arena{trace: Trace{Place: &w[0], Origin: &w[1], Start: &w[2], End: &w[3]}, pieces: map[uint64][]byte{}, left: -1}
}

func (a *arena) Take(size int) ([]byte, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left == 0 {
		return nil, 0
	}
	a.left--
	a.next++
	a.pieces[a.next] = bytes.Repeat([]byte{0xee}, size)
	return a.pieces[a.next], a.next
}

// Give spoils a piece, so that who still uses it is found out.
func (a *arena) Give(place uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.pieces[place]
	if !ok {
		panic(fmt.Sprintf("piece %d was given back twice", place))
	}
	copy(b, bytes.Repeat([]byte{0xdd}, len(b)))
	delete(a.pieces, place)
}

func (a *arena) piece(place uint64) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b, ok := a.pieces[place]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("no piece %d", place)
}

func (a *arena) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pieces)
}

// salvage compares what the trace leads to with the stream.
func (a *arena) salvage(t *testing.T, start, end uint64) {
	t.Helper()
	got, err := Salvage(a.trace, start, end, a.piece)
	if err != nil {
		t.Fatal(err)
	}
	if want := chunk(start, int(end-start)); !bytes.Equal(got, want) {
		t.Fatalf("salvaged other bytes from %d to %d", start, end)
	}
}

func TestTraceFollows(t *testing.T) {
	m := newArena()
	r := NewKept(10, 1<<20, m, m.trace)
	r.Append(chunk(10, 100))
	r.Trim(30)
	if s, e := m.trace.Start.Load(), m.trace.End.Load(); s != 30 || e != 110 {
		t.Errorf("trace says %d to %d, want 30 to 110", s, e)
	}
	r.Trim(110)
	r.Skip(7)
	if s, e := m.trace.Start.Load(), m.trace.End.Load(); s != 117 || e != 117 {
		t.Errorf("after skip the trace says %d to %d, want 117 to 117", s, e)
	}
	r.Clear()
	if m.trace.Place.Load() != 0 || m.count() != 0 {
		t.Errorf("cleared, at place %d with %d pieces", m.trace.Place.Load(), m.count())
	}
}

// Whoever reads into or writes from a piece that was given up may go on.
func TestStalePieces(t *testing.T) {
	m := newArena()
	r := NewKept(0, 1<<20, m, m.trace)
	r.Append(chunk(0, 4000))
	a, _ := r.Slices(0, 4000)
	r.Pin()
	r.Append(chunk(4000, 10000))
	if !bytes.Equal(a, chunk(0, 4000)) {
		t.Error("pinned bytes have changed as the ring grew")
	}
	if m.count() != 2 {
		t.Errorf("%d pieces while one is pinned, want 2", m.count())
	}
	r.Unpin()
	if m.count() != 1 {
		t.Errorf("%d pieces after unpin, want 1", m.count())
	}
	room := r.Reserve(100)
	r.Clear()
	copy(room, "still mine")
	if m.count() != 1 {
		t.Errorf("%d pieces while one is lent, want 1", m.count())
	}
}

func TestMemoryRunsOut(t *testing.T) {
	m := newArena()
	m.left = 1
	r := NewKept(0, 1<<20, m, m.trace)
	r.Append(chunk(0, 4000))
	r.Append(chunk(4000, 16000))
	check(t, r)
	if _, err := Salvage(m.trace, 0, 20000, m.piece); err == nil {
		t.Error("bytes that were not kept were salvaged")
	}
	if m.count() != 0 {
		t.Errorf("%d pieces are kept for nothing", m.count())
	}
}

func TestForgottenRingsGiveBack(t *testing.T) {
	m := newArena()
	func() {
		r := NewKept(0, 1<<20, m, m.trace)
		r.Append(chunk(0, 100))
	}()
	for m.count() > 0 {
		runtime.GC() // the test's time limit bounds it
	}
}

func TestSalvageRefuses(t *testing.T) {
	m := newArena()
	r := NewKept(0, 1<<20, m, m.trace)
	r.Append(chunk(0, 4096))
	if _, err := Salvage(m.trace, 0, 5000, m.piece); err == nil {
		t.Error("more was salvaged than there is")
	}
	m.trace.Place.Store(99)
	if _, err := Salvage(m.trace, 0, 10, m.piece); err == nil {
		t.Error("bytes were salvaged from no piece")
	}
	if b, err := Salvage(m.trace, 10, 10, m.piece); err != nil || b != nil {
		t.Errorf("nothing is to be salvaged: got %d bytes, %v", len(b), err)
	}
}

func TestForget(t *testing.T) {
	m := newArena()
	r := NewKept(0, 1<<20, m, m.trace)
	r.Append(chunk(0, 100))
	room := r.Reserve(10)
	r.Forget()
	copy(room, chunk(100, 10))
	r.Commit(10)
	check(t, r)
	if e := m.trace.End.Load(); e != 100 {
		t.Errorf("the trace goes on to %d", e)
	}
}
