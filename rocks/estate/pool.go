package estate

import (
	"fmt"
	"math/bits"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	minPiece  = 12 // a page, as a power of two
	maxPiece  = 32
	warmPiece = 16 // larger ones give their memory back when they are given back
)

// pool hands out pieces of the memory.
type pool struct {
	mu   sync.Mutex
	bump int // pieces were never taken from here on
	free [maxPiece + 1][]int
}

// Take returns a piece of size bytes, more than none, with any contents, and its place; nil if there is none left. It takes a power of two, a
// page at least.
func (e *Estate) Take(size int) ([]byte, uint64) {
	class := max(bits.Len(uint(size-1)), minPiece)
	if class > maxPiece {
		return nil, 0
	}
	at := e.pool.take(class)
	if at == 0 {
		return nil, 0
	}
	return e.mem[at : at+size : at+size], uint64(at) | uint64(class)
}

func (p *pool) take(class int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free[class]); n > 0 {
		at := p.free[class][n-1]
		p.free[class] = p.free[class][:n-1]
		return at
	}
	at := p.bump
	if at+1<<class > size {
		return 0
	}
	p.bump += 1 << class
	return at
}

// Give gives a piece back.
func (e *Estate) Give(place uint64) {
	at, class := split(place)
	if class > warmPiece {
		// The next one who takes it gets zeros, and no memory before it writes.
		_ = unix.Madvise(e.mem[at:at+1<<class], unix.MADV_REMOVE)
	}
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	e.pool.free[class] = append(e.pool.free[class], at)
}

// Piece returns the piece at a place, with its whole size.
func (e *Estate) Piece(place uint64) ([]byte, error) {
	at, class := split(place)
	if class < minPiece || class > maxPiece || at < piecesAt || at > size-1<<class {
		return nil, fmt.Errorf("no piece at place %#x", place)
	}
	return e.mem[at : at+1<<class], nil
}

// split takes a place apart: pieces begin at pages, so the bits below are free for the size.
func split(place uint64) (at, class int) {
	const low = 1<<minPiece - 1
	return int(place &^ low), int(place & low)
}
