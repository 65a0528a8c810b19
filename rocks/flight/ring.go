// Package flight is the buffer of one direction of a rock: a queue of bytes that
// are named by their offset in the stream.
//
// As the flight log, what the program writes goes in at the end ([Ring.Append], or
// [Ring.Reserve] and [Ring.Commit] to read straight into it), is looked at from any offset
// ([Ring.Slices]) to be sent and sent again, and goes out at the start when the peer has
// acknowledged it ([Ring.Trim]). As the receive buffer it is used the same way, trimmed by what the
// program reads.
//
// A Ring grows as needed up to its bound and never drops a byte. It is pure data: no locks,
// no I/O, no goroutines; the caller serializes all calls. It may have its bytes in memory that outlives
// the process, and leave a [Trace] by which another one finds them ([NewKept], [Salvage]).
package flight

import "math/bits"

// minSize is what a ring allocates first, in bytes.
const minSize = 4 << 10

// keepSize is what Shrink leaves to an empty ring, in bytes.
const keepSize = 64 << 10

// Ring is a bounded queue of bytes with 64-bit offsets. Use New or NewKept.
type Ring struct {
	*piece        // where the bytes are; the byte at an offset is at (offset - origin) modulo the size, which is a power of two
	origin uint64 // changes only while the queue is empty
	n      int    // bytes stored
	limit  int    // bound of n

	start  uint64 // offset of the first byte stored
	acked  uint64 // bytes before are not needed any more; start lags behind it while pinned
	pinned bool   // bytes from start on are in use and must stay where they are
	lent   bool   // free space is in use: between Reserve and Commit

	kept  *kept    // nil: the bytes end with the process
	stale []*piece // what was given up while in use
}

// New returns an empty ring whose first byte will have the given offset and that holds
// at most limit bytes. It panics if limit is not positive.
func New(offset uint64, limit int) *Ring {
	if limit <= 0 {
		panic("flight: limit must be positive")
	}
	return &Ring{piece: &piece{}, start: offset, acked: offset, limit: limit}
}

// Start returns the offset of the first byte that was not trimmed.
func (r *Ring) Start() uint64 { return r.acked }

// End returns the offset after the last byte.
func (r *Ring) End() uint64 { return r.start + uint64(r.n) }

// Len returns the number of bytes between Start and End.
func (r *Ring) Len() int { return int(r.End() - r.acked) }

// Free returns how many bytes can be added now.
func (r *Ring) Free() int { return r.limit - r.n }

// Limit returns the bound.
func (r *Ring) Limit() int { return r.limit }

// Widen raises the bound to limit bytes; a lower one does nothing.
func (r *Ring) Widen(limit int) { r.limit = max(r.limit, limit) }

// Append copies as much of p as there is room for to the end and returns how much that
// was.
func (r *Ring) Append(p []byte) int {
	total := min(len(p), r.Free())
	for done := 0; done < total; {
		k := copy(r.Reserve(total-done), p[done:total])
		r.Commit(k)
		done += k
	}
	return total
}

// Reserve returns free space after the end, in one piece, for the caller to fill and to Commit.
// It has at most want bytes, may have fewer, and has none only if want or Free is zero. It stays valid
// until the next Reserve, Append, Commit, or Clear; Trim and Slices do not touch it.
func (r *Ring) Reserve(want int) []byte {
	want = min(want, r.Free())
	if want <= 0 {
		return nil
	}
	if r.n == 0 && !r.pinned {
		r.begin()
	}
	if r.n+want > len(r.buf) {
		r.grow(r.n + want)
	}
	r.lent = true
	tail := r.index(r.End())
	if head := r.index(r.start); tail < head {
		return r.buf[tail:min(head, tail+want)]
	}
	return r.buf[tail:min(len(r.buf), tail+want)]
}

// index returns where the byte at an offset is.
func (r *Ring) index(offset uint64) int { return int((offset - r.origin) & uint64(len(r.buf)-1)) }

// begin has an empty ring go on at the beginning of its memory, which is likelier to be in a cache than what follows.
func (r *Ring) begin() {
	r.origin = r.start
	r.traceOrigin()
}

// Commit makes the first k bytes of what Reserve returned part of the queue. It
// panics if that is more than there is room for.
func (r *Ring) Commit(k int) {
	if k < 0 || r.n+k > len(r.buf) {
		panic("flight: commit beyond reserve")
	}
	r.n += k
	r.lent = false
	r.traceEnd()
	r.giveStale()
}

// Skip counts k bytes as added and trimmed that never were in the queue, which must be empty: whoever needs them has got
// them another way. What Reserve returned is not valid any more.
func (r *Ring) Skip(k int) {
	if k < 0 || r.n > 0 {
		panic("flight: skip in a ring that is not empty")
	}
	r.lent = false
	r.start += uint64(k)
	r.acked = r.start
	r.traceStart() // first: an end before the start is none
	r.traceEnd()
}

// Shrink frees the memory of an empty ring, unless it is small or in use.
func (r *Ring) Shrink() {
	if r.n == 0 && !r.pinned && !r.lent && len(r.buf) > keepSize {
		r.replace(&piece{})
	}
}

// grow makes room for n bytes, n <= limit. The bytes move, so slices handed out before stay as they were.
func (r *Ring) grow(n int) {
	p := r.take(max(minSize, 1<<bits.Len(uint(n-1))))
	for from := 0; from < r.n; {
		a, _ := r.slices(from, r.n-from)
		to := int((r.start + uint64(from) - r.origin) & uint64(len(p.buf)-1))
		from += copy(p.buf[to:], a)
	}
	r.replace(p)
}

// Slices returns up to max bytes from offset on, in one or two pieces that are part of the
// ring: valid until they are trimmed, or longer if pinned. An offset that is not between
// Start and End gives nothing.
func (r *Ring) Slices(offset uint64, max int) (a, b []byte) {
	if offset < r.acked || offset >= r.End() {
		return nil, nil
	}
	from := int(offset - r.start)
	return r.slices(from, min(max, r.n-from))
}

// slices returns n bytes that start from bytes after the first one.
func (r *Ring) slices(from, n int) (a, b []byte) {
	if n <= 0 {
		return nil, nil
	}
	i := r.index(r.start + uint64(from))
	if i+n <= len(r.buf) {
		return r.buf[i : i+n], nil
	}
	return r.buf[i:], r.buf[:i+n-len(r.buf)]
}

// Trim forgets the bytes before offset. An offset before Start does nothing; one after End is
// taken as End.
func (r *Ring) Trim(offset uint64) {
	if offset > r.End() {
		offset = r.End()
	}
	if offset > r.acked {
		r.acked = offset
		r.traceStart()
	}
	if !r.pinned {
		r.drop()
	}
}

// Pin keeps what Slices returned as it is until Unpin, even if it is trimmed meanwhile;
// until then trimmed bytes count against Free.
func (r *Ring) Pin() { r.pinned = true }

// Unpin ends what Pin began.
func (r *Ring) Unpin() {
	r.pinned = false
	r.drop()
	r.giveStale()
}

// drop frees the bytes from start to acked.
func (r *Ring) drop() {
	r.n -= int(r.acked - r.start)
	r.start = r.acked
}

// Clear forgets all bytes and the memory; the offsets go on at End. Slices handed out
// before stay as they were.
func (r *Ring) Clear() {
	r.start = r.End()
	r.acked, r.n = r.start, 0
	r.traceStart()
	r.replace(&piece{})
	r.lent = false
}

// Bytes returns a copy of all bytes from Start to End.
func (r *Ring) Bytes() []byte {
	a, b := r.Slices(r.acked, r.n)
	out := make([]byte, 0, len(a)+len(b))
	return append(append(out, a...), b...)
}
