package migrate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// memory is what a group has in memory while it runs.
type memory interface {
	// read calls take with pages, a few at a time, until all that are there have been read. What take is given is good only
	// for the time of the call. A page may have been written to by the time that it is read, or meanwhile.
	read(ctx context.Context, take func(pages []byte) error) error
}

// liveMemory is that of processes. What cannot be read is left out: CRIU will read it when they stand still.
type liveMemory struct {
	pids func() ([]int, error) // those that there are now
}

// Bits of an entry in pagemap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageShared  = 1 << 61 // of a file, or shared
)

const (
	// readAtOnce is how many bytes are read with one call: that much stays in a processor's cache.
	readAtOnce = 256 << 10
	// entriesAtOnce is how many pages are looked for at once.
	entriesAtOnce = 4096
	// largestMapping is what is looked through. A larger one is an address range that somebody reserved.
	largestMapping = 256 << 30
)

func (m liveMemory) read(ctx context.Context, take func(pages []byte) error) error {
	pids, err := m.pids()
	if err != nil {
		return fmt.Errorf("list the processes of the group: %w", err)
	}
	r := reader{ctx: ctx, take: take, page: os.Getpagesize(), entries: make([]byte, 8*entriesAtOnce), buf: make([]byte, readAtOnce)}
	for _, pid := range pids {
		if err := r.process(pid); err != nil {
			return err
		}
	}
	return nil
}

// reader reads processes one after the other.
type reader struct {
	ctx  context.Context
	take func([]byte) error
	page int

	pid     int
	pagemap *os.File
	entries []byte // of pagemap
	buf     []byte // pages
	ranges  []unix.RemoteIovec
	wanted  int // bytes in them
}

// process reads one process; its errors are only those of take.
func (r *reader) process(pid int) error {
	dir := "/proc/" + strconv.Itoa(pid)
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		return nil // it has ended
	}
	if r.pagemap, err = os.Open(dir + "/pagemap"); err != nil {
		return nil
	}
	defer r.pagemap.Close()
	r.pid = pid
	for line := range bytes.Lines(maps) {
		m, ok := parseMapping(line)
		if !ok {
			continue
		}
		if err := r.mapping(m); err != nil {
			return err
		}
	}
	return r.flush()
}

// mapping is a part of a process's memory that may have pages that are in no file.
type mapping struct {
	start, end uint64
	shared     bool // it is, but has no file either
}

// parseMapping looks at a line of maps: addresses permissions offset device inode path.
func parseMapping(line []byte) (m mapping, ok bool) {
	var columns [5][]byte
	rest := line
	for i := range columns {
		columns[i], rest, _ = bytes.Cut(rest, []byte{' '})
	}
	path := bytes.TrimSpace(rest)
	start, end, _ := bytes.Cut(columns[0], []byte{'-'})
	var err1, err2 error
	m.start, err1 = strconv.ParseUint(string(start), 16, 64)
	m.end, err2 = strconv.ParseUint(string(end), 16, 64)
	if err1 != nil || err2 != nil || m.end <= m.start || m.end-m.start > largestMapping || len(columns[1]) < 4 || columns[1][0] != 'r' {
		return m, false
	}
	if bytes.HasPrefix(path, []byte("[v")) { // vdso, vvar, vsyscall: they are the kernel's
		return m, false
	}
	if columns[1][3] == 's' {
		m.shared = bytes.HasPrefix(path, []byte("/dev/zero")) || bytes.HasPrefix(path, []byte("/memfd:"))
		return m, m.shared
	}
	return m, true
}

// mapping reads the pages of a mapping that are there.
func (r *reader) mapping(m mapping) error {
	page := uint64(r.page)
	for at := m.start; at < m.end; {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		n, _ := r.pagemap.ReadAt(r.entries[:8*min(entriesAtOnce, (m.end-at)/page)], int64(at/page*8))
		if n < 8 {
			return nil
		}
		for b := r.entries[:n/8*8]; len(b) > 0; b = b[8:] {
			entry := binary.NativeEndian.Uint64(b)
			if entry&(pagePresent|pageSwapped) != 0 && (m.shared || entry&pageShared == 0) {
				if err := r.want(at); err != nil {
					return err
				}
			}
			at += page
		}
	}
	return nil
}

// want adds a page to those that are read next.
func (r *reader) want(at uint64) error {
	if n := len(r.ranges); n > 0 && uint64(r.ranges[n-1].Base)+uint64(r.ranges[n-1].Len) == at {
		r.ranges[n-1].Len += r.page
	} else {
		r.ranges = append(r.ranges, unix.RemoteIovec{Base: uintptr(at), Len: r.page})
	}
	if r.wanted += r.page; r.wanted+r.page > len(r.buf) {
		return r.flush()
	}
	return nil
}

// flush reads what is wanted. Where that fails a page is left out.
func (r *reader) flush() error {
	for r.wanted > 0 {
		local := []unix.Iovec{{Base: &r.buf[0]}}
		local[0].SetLen(r.wanted)
		n, err := unix.ProcessVMReadv(r.pid, local, r.ranges, 0)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EPERM) {
			r.ranges, r.wanted = r.ranges[:0], 0
			return nil
		}
		n = max(n, 0) / r.page * r.page
		if n > 0 {
			if err := r.take(r.buf[:n]); err != nil {
				return err
			}
		}
		r.skip(n)
		if r.wanted > 0 {
			r.skip(r.page)
		}
	}
	r.ranges = r.ranges[:0]
	return nil
}

// skip drops the first n bytes of what is wanted.
func (r *reader) skip(n int) {
	r.wanted -= n
	whole := 0
	for whole < len(r.ranges) && r.ranges[whole].Len <= n {
		n -= r.ranges[whole].Len
		whole++
	}
	r.ranges = slices.Delete(r.ranges, 0, whole)
	if n > 0 {
		r.ranges[0].Base += uintptr(n)
		r.ranges[0].Len -= n
	}
}

// Readable says whether the memory of processes can be read while they run, or why not.
func Readable() error {
	m := liveMemory{func() ([]int, error) { return []int{os.Getpid()}, nil }}
	var n int
	errEnough := errors.New("enough")
	err := m.read(context.Background(), func(pages []byte) error {
		n += len(pages)
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if n == 0 {
		return errors.New("pagemap in /proc, or process_vm_readv, does not work")
	}
	return nil
}
