// Rewrite has memory that it changes slowly, and sees that nobody else does.
//
//	rewrite [-size MIB] [-rate MIB-PER-SECOND] [-until FILE]
//
// Half of its pages stay as they are, the other half is written to at random places. Of each page it remembers the checksum. When the
// file is there it compares all of them, says "good" with the number of pages it has written, and ends; else it ends with status 1.
// While it works it says now and then how far it is.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const pageSize = 4096

var table = crc64.MakeTable(crc64.ECMA)

// memory is pages, and what their checksums should be.
type memory struct {
	b    []byte
	sums []uint64
	rng  *rand.ChaCha8
}

func newMemory(size int) (*memory, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	m := &memory{b, make([]uint64, size/pageSize), rand.NewChaCha8([32]byte{1})}
	for i := range m.sums {
		m.write(i)
	}
	return m, nil
}

func (m *memory) page(i int) []byte { return m.b[i*pageSize:][:pageSize] }

// write gives a page other contents: half of them at random, so that they can be compressed by that much.
func (m *memory) write(i int) {
	p := m.page(i)
	m.rng.Read(p[:pageSize/2])
	binary.LittleEndian.PutUint64(p[pageSize/2:], uint64(i))
	m.sums[i] = crc64.Checksum(p, table)
}

// bad returns a page that has changed without being written; -1 if there is none.
func (m *memory) bad() int {
	for i, sum := range m.sums {
		if crc64.Checksum(m.page(i), table) != sum {
			return i
		}
	}
	return -1
}

func main() {
	size := flag.Int("size", 256, "")
	rate := flag.Float64("rate", 5, "")
	until := flag.String("until", "", "")
	flag.Parse()
	m, err := newMemory(*size << 20)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rewrite:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	written := m.work(*rate, *until)
	if i := m.bad(); i >= 0 {
		fmt.Printf("bad: page %d\n", i)
		os.Exit(1)
	}
	fmt.Printf("good: %d\n", written)
}

// work writes pages of the second half until the file is there.
func (m *memory) work(rate float64, until string) (written int) {
	const tick = 10 * time.Millisecond
	half := len(m.sums) / 2
	each := max(1, int(rate*(1<<20)/pageSize*tick.Seconds()))
	for n := 1; ; n++ {
		for range each {
			m.write(half + int(m.rng.Uint64()%uint64(half)))
			written++
		}
		if n%10 == 0 {
			fmt.Println("written", written)
			if _, err := os.Stat(until); err == nil {
				return written
			}
		}
		time.Sleep(tick)
	}
}
