package migrate

import (
	"encoding/binary"
	"errors"
	"math"

	"rock/migrate/stream"
)

// A file of which the target has parts travels as a recipe: steps that each give bytes of it, which follow or are in
// the target's store. A chunk has whole steps, in any order. A step is
//
//	offset  size  field
//	0       8     offset in the file
//	8       4     length n, not 0
//	12      8     offset in the store, or 2^64-1: the data follow
//	20      n     data, if they follow
const (
	stepHeader = 20
	follows    = math.MaxUint64
)

// mostCovered is how much of a file one chunk describes at most, in bytes, so that the target works on it while CRIU writes the rest.
const mostCovered = 1 << 20

// step is a step of a recipe.
type step struct {
	to     int64 // offset in the file
	length int64
	data   []byte // nil: they are in the store
	from   int64  // there
}

var errStep = errors.New("the other host sent a recipe for a file that makes no sense")

// nextStep decodes the first step of b, and returns what is behind it.
func nextStep(b []byte) (s step, rest []byte, err error) {
	if len(b) < stepHeader {
		return s, nil, errStep
	}
	to, n, from := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint64(b[12:])
	b = b[stepHeader:]
	if n == 0 || to > math.MaxInt64-uint64(n) {
		return s, nil, errStep
	}
	s = step{to: int64(to), length: int64(n)}
	if from == follows {
		if uint64(len(b)) < uint64(n) {
			return s, nil, errStep
		}
		s.data, b = b[:n], b[n:]
		return s, b, nil
	}
	if from > math.MaxInt64-uint64(n) {
		return s, nil, errStep
	}
	s.from = int64(from)
	return s, b, nil
}

// recipe is a chunk of a recipe on its way. Steps that continue each other are one.
type recipe struct {
	b       []byte
	covered int    // bytes that it describes
	header  int    // where that of the last step is
	to      uint64 // where the next byte after that step belongs, and
	from    uint64 // where it is; follows
}

// full says that no page more may be added.
func (r *recipe) full(page int) bool {
	return len(r.b)+stepHeader+page > stream.ChunkSize || r.covered+page > mostCovered
}

// give adds data.
func (r *recipe) give(offset int64, data []byte) {
	if !r.continues(offset, follows) {
		r.begin(offset, follows)
	}
	r.b = append(r.b, data...)
	r.extend(len(data))
}

// refer adds n bytes that are in the store.
func (r *recipe) refer(offset, from int64, n int) {
	if !r.continues(offset, uint64(from)) {
		r.begin(offset, uint64(from))
	}
	r.from += uint64(n)
	r.extend(n)
}

// continues says whether the last step goes on like this.
func (r *recipe) continues(offset int64, from uint64) bool {
	return len(r.b) > 0 && uint64(offset) == r.to && from == r.from
}

func (r *recipe) begin(offset int64, from uint64) {
	r.header, r.to, r.from = len(r.b), uint64(offset), from
	r.b = binary.BigEndian.AppendUint64(r.b, uint64(offset))
	r.b = binary.BigEndian.AppendUint32(r.b, 0)
	r.b = binary.BigEndian.AppendUint64(r.b, from)
}

// extend makes the last step longer.
func (r *recipe) extend(n int) {
	length := r.b[r.header+8:]
	binary.BigEndian.PutUint32(length, binary.BigEndian.Uint32(length)+uint32(n))
	r.to += uint64(n)
	r.covered += n
}

// reset begins the next chunk.
func (r *recipe) reset() { r.b, r.covered = r.b[:0], 0 }
