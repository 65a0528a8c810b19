package flight

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

// Memory is where a kept Ring has its bytes. Its methods may be called concurrently, by the garbage collector's cleanups too.
type Memory interface {
	// Take returns a piece of size bytes, a power of two, with any contents, and its place in the memory, which is not 0. It returns nil
	// if there is none left.
	Take(size int) (b []byte, place uint64)
	// Give gives a piece back, which nobody uses any more.
	Give(place uint64)
}

// Trace says at every moment where the bytes of a Ring are, for a process that finds them when this one has died at that moment. It is
// made of words of memory that outlives the process.
type Trace struct {
	Place  *atomic.Uint64 // of the bytes in the Memory; 0 for none
	Origin *atomic.Uint64 // the byte at an offset is at (offset - Origin) modulo the size of the piece
	Start  *atomic.Uint64 // offset of the first byte
	End    *atomic.Uint64 // offset after the last; there is none if it is not after Start
}

// kept is what makes a ring a kept one.
type kept struct {
	memory Memory
	trace  Trace
}

// NewKept is New for a ring whose bytes are in m and that leaves a trace. If m has no memory left the ring goes on without, and its trace
// is that of a ring without bytes, at place 0.
func NewKept(offset uint64, limit int, m Memory, t Trace) *Ring {
	r := New(offset, limit)
	t.Place.Store(0)
	t.Origin.Store(0)
	t.Start.Store(offset)
	t.End.Store(offset)
	r.kept = &kept{m, t}
	return r
}

// Salvage returns what is in a ring of which only the trace is left, from start to end, which whoever knows better may
// have moved: bytes that were just being read into what [Ring.Reserve] returned are there, though Commit never came. piece returns
// what is at a place.
func Salvage(t Trace, start, end uint64, piece func(place uint64) ([]byte, error)) ([]byte, error) {
	if end <= start {
		return nil, nil
	}
	place := t.Place.Load()
	if place == 0 {
		return nil, fmt.Errorf("salvage %d bytes at %d: they were not kept", end-start, start)
	}
	buf, err := piece(place)
	if err != nil {
		return nil, fmt.Errorf("salvage %d bytes at %d: %w", end-start, start, err)
	}
	size := uint64(len(buf))
	if size == 0 || size&(size-1) != 0 || end-start > size {
		return nil, fmt.Errorf("salvage %d bytes at %d: from a piece of %d", end-start, start, size)
	}
	out := make([]byte, 0, end-start)
	i, origin := start, t.Origin.Load()
	for i < end {
		at := (i - origin) & (size - 1)
		n := min(end-i, size-at)
		out = append(out, buf[at:at+n]...)
		i += n
	}
	return out, nil
}

// Forget ends the trace, whose words are not the ring's any more from then on. The ring goes on as before.
func (r *Ring) Forget() {
	if r.kept != nil {
		w := new([4]atomic.Uint64)
		r.kept.trace = Trace{Place: &w[0], Origin: &w[1], Start: &w[2], End: &w[3]}
	}
}

// piece is memory of a ring.
type piece struct {
	buf     []byte
	place   uint64 // 0: the garbage collector's
	cleanup runtime.Cleanup
}

// take returns a piece of size bytes. One that nobody has given back when its ring is gone is given back then.
func (r *Ring) take(size int) *piece {
	if r.kept != nil {
		m := r.kept.memory
		if b, place := m.Take(size); b != nil {
			p := &piece{buf: b, place: place}
			p.cleanup = runtime.AddCleanup(p, m.Give, place)
			return p
		}
	}
	return &piece{buf: make([]byte, size)}
}

// replace goes over to another piece, with the same bytes in it.
func (r *Ring) replace(p *piece) {
	old := r.piece
	r.piece = p
	if r.kept != nil {
		r.kept.trace.Place.Store(p.place)
	}
	switch {
	case old.place == 0:
	case r.pinned || r.lent:
		r.stale = append(r.stale, old)
	default:
		r.give(old)
	}
}

// giveStale gives back what was in use when it was replaced.
func (r *Ring) giveStale() {
	if len(r.stale) == 0 || r.pinned || r.lent {
		return
	}
	for _, p := range r.stale {
		r.give(p)
	}
	r.stale = nil
}

func (r *Ring) give(p *piece) {
	p.cleanup.Stop()
	r.kept.memory.Give(p.place)
}

func (r *Ring) traceStart() {
	if r.kept != nil {
		r.kept.trace.Start.Store(r.acked)
	}
}

func (r *Ring) traceEnd() {
	if r.kept != nil {
		r.kept.trace.End.Store(r.End())
	}
}

func (r *Ring) traceOrigin() {
	if r.kept != nil {
		r.kept.trace.Origin.Store(r.origin)
	}
}
