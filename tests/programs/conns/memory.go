package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rock/tests/bench/board"
)

// blockSize is what is filled alike.
const blockSize = 1 << 20

// memory is what the program holds: every second block is random, and the others are text, of which little
// is left when it is compressed.
type memory []byte

// newMemory takes so many MiB and fills them.
func newMemory(size int) (memory, error) {
	if size == 0 {
		return nil, nil
	}
	b, err := unix.Mmap(-1, 0, size*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("take %d MiB of memory: %w", size, err)
	}
	for n := range size {
		fill(b[n*blockSize:][:blockSize], n)
	}
	return b, nil
}

// fill fills the block of a number.
func fill(b []byte, number int) {
	random := rand.NewChaCha8([32]byte{byte(number), byte(number >> 8)})
	if number%2 == 0 {
		_, _ = random.Read(b) // never fails
		return
	}
	numbers := rand.New(random)
	for line := 0; len(b) > 0; line++ {
		text := []byte("block " + strconv.Itoa(number) + " line " + strconv.Itoa(line) + " value " + strconv.Itoa(numbers.IntN(1e6)) + "\n")
		b = b[copy(b, text):]
	}
}

// whole says whether it is as it was filled.
func (m memory) whole() bool {
	want := make([]byte, blockSize)
	for n := range len(m) / blockSize {
		fill(want, n)
		if !bytes.Equal(want, m[n*blockSize:][:blockSize]) {
			return false
		}
	}
	return true
}

// serve looks at the memory when the benchmark asks for it.
func (m memory) serve(b *board.Board) {
	for ; ; time.Sleep(time.Millisecond) {
		if b.Look.CompareAndSwap(board.Asked, board.Looking) {
			answer := int64(board.Broken)
			if m.whole() {
				answer = board.Whole
			}
			b.Look.Store(answer)
		}
	}
}
