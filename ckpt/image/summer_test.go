package image

import (
	"math/rand/v2"
	"testing"
)

// However a file is written to it, a Summer gets what the whole gives.
func TestSummer(t *testing.T) {
	b := make([]byte, 2*pieceSize+1)
	rand.NewChaCha8([32]byte{}).Read(b)
	for _, size := range []int{0, 1, 4096, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, 2*pieceSize + 1} {
		for _, step := range []int{1 << 30, pieceSize, 256 << 10, 100_001} {
			var s Summer
			for left := b[:size]; len(left) > 0; {
				n := min(step, len(left))
				if m, err := s.Write(left[:n]); m != n || err != nil {
					t.Fatalf("wrote %d of %d bytes, %v", m, n, err)
				}
				left = left[n:]
			}
			if got, want := s.Sum64(), sumBytes(b[:size]); got != want {
				t.Errorf("the sum of %d bytes in steps of %d is %x, want %x", size, step, got, want)
			}
		}
	}
}
