// Package board is a page that a program of the benchmark and the benchmark itself both have mapped: the
// program notes on it what it does, and goes on to where it was when it is restored. Nothing has to be
// sent for that, so looking on does not disturb what is measured.
package board

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Max is the largest number of connections that a program may have.
const Max = 256

// Board is the page. Times are nanoseconds since 1970, 0 for never. All of it may be used by several goroutines, and
// by several processes, at once.
type Board struct {
	Connected atomic.Int64 // connections that the program has made or accepted
	Errors    atomic.Int64 // connections that failed, or brought what was not sent
	Tick      atomic.Int64 // when the program last ran
	Pause     atomic.Int64 // the longest time for which it did not; the benchmark may set it to 0
	Look      atomic.Int64 // Asked has the program look at its memory
	// Mark is set by the benchmark. What a program does first after that, it notes with the time.
	Mark  atomic.Int64
	Ran   atomic.Int64 // first run after Mark
	Conns [Max]Conn
}

// What Look says.
const (
	Asked   = iota + 1 // set by the benchmark
	Looking            // and the others by the program
	Whole              // the memory is as it was filled
	Broken
)

// Conn is one connection of the program.
type Conn struct {
	Received atomic.Int64 // bytes
	Came     atomic.Int64 // when the first of them came after Mark
}

// Create makes the file of a board, at path, and maps it.
func Create(path string) (*Board, error) {
	err := os.WriteFile(path, make([]byte, unsafe.Sizeof(Board{})), 0o600)
	if err != nil {
		return nil, fmt.Errorf("make board: %w", err)
	}
	return Open(path)
}

// Open maps the board at path.
func Open(path string) (*Board, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open board: %w", err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(Board{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map board %s: %w", path, err)
	}
	return (*Board)(unsafe.Pointer(&b[0])), nil
}

// Close unmaps the board.
func (b *Board) Close() error {
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(b)), unsafe.Sizeof(*b)))
}

// First notes the present time in at, unless there is one already that is later than Mark.
func (b *Board) First(at *atomic.Int64) {
	if at.Load() < b.Mark.Load() {
		at.Store(time.Now().UnixNano())
	}
}

// SetMark sets Mark to now.
func (b *Board) SetMark() { b.Mark.Store(time.Now().UnixNano()) }

// Received is the sum over all connections.
func (b *Board) Received() (n int64) {
	for i := range b.Conns {
		n += b.Conns[i].Received.Load()
	}
	return n
}

// Came says how long after Mark the first and the last of n connections brought something; ok is false as
// long as one of them has not.
func (b *Board) Came(n int) (first, last time.Duration, ok bool) {
	mark := b.Mark.Load()
	for i := range b.Conns[:n] {
		d := time.Duration(b.Conns[i].Came.Load() - mark)
		if d < 0 {
			return 0, 0, false
		}
		if i == 0 || d < first {
			first = d
		}
		last = max(last, d)
	}
	return first, last, true
}
