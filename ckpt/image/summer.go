package image

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// Summer computes the checksum that [Sum] has of a file, which is written to it. The zero value is ready.
type Summer struct {
	piece xxh3.Hasher
	size  int64  // of what was written
	sums  []byte // of the pieces before this one
}

// Write adds b. It never fails.
func (s *Summer) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		if s.size > 0 && s.size%pieceSize == 0 {
			s.next()
		}
		part := b[:min(int64(len(b)), pieceSize-s.size%pieceSize)]
		s.piece.Write(part) // never fails
		s.size += int64(len(part))
		b = b[len(part):]
	}
	return written, nil
}

// next begins another piece.
func (s *Summer) next() {
	s.sums = binary.BigEndian.AppendUint64(s.sums, s.piece.Sum64())
	s.piece.Reset()
}

// Sum64 returns the checksum of what has been written. No more can be written.
func (s *Summer) Sum64() uint64 {
	if s.size <= pieceSize {
		return s.piece.Sum64()
	}
	s.next()
	return xxh3.Hash(s.sums)
}
