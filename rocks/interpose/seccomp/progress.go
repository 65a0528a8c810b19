package seccomp

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Progress is shared memory that holds the ID of the call received last, and the calls that were received and
// not answered yet. Whoever takes a listener over from a process that died goes on with them: nobody is notified of a
// call twice.
//
// It begins with the ID, 8 bytes in native order. From progressTable on come entries of 80 bytes: the ID of the call, 0 if the
// entry is free; thread id and number, 4 bytes each; the architecture, 8 bytes; six arguments of 8 bytes; 8 bytes of nothing.
type Progress struct {
	file *os.File
	mem  []byte

	mu   sync.Mutex // guards the fields below, which only the process that receives calls uses
	next int        // no entry from here on was ever used
	free []int
}

// MostUnnoted is how many calls around the last one that it has noted a process that died may have received and not noted: one for
// each of its threads, with room to spare.
const MostUnnoted = 64

const (
	progressTable   = 4096
	progressEntry   = 80
	progressEntries = 1 << 16 // more calls than that are not held at a time
	progressSize    = progressTable + progressEntries*progressEntry
)

// NewProgress makes a progress that other processes can open by its File.
func NewProgress() (*Progress, error) {
	fd, err := unix.MemfdCreate("rock-progress", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", os.NewSyscallError("memfd_create", err))
	}
	f := os.NewFile(uintptr(fd), "progress")
	if err := f.Truncate(progressSize); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("size shared memory: %w", err)
	}
	return OpenProgress(f)
}

// OpenProgress takes over a file of another process's progress.
func OpenProgress(f *os.File) (*Progress, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("map shared memory: %w", os.NewSyscallError("mmap", err))
	}
	return &Progress{file: f, mem: mem}, nil
}

// File returns the file to hand to another process. It stays the Progress's.
func (p *Progress) File() *os.File { return p.file }

// Last returns the ID noted last, 0 if none was.
func (p *Progress) Last() uint64 { return p.word(0).Load() }

// Pending returns the calls that were received and not answered.
func (p *Progress) Pending() []Call {
	var calls []Call
	for i := range progressEntries {
		at := progressTable + i*progressEntry
		id := p.word(at).Load()
		if id == 0 {
			continue
		}
		b := p.mem[at : at+progressEntry]
		c := Call{
			ID: id, TID: int(binary.NativeEndian.Uint32(b[8:])), Nr: int32(binary.NativeEndian.Uint32(b[12:])),
			Arch: uint32(binary.NativeEndian.Uint64(b[16:])),
		}
		for i := range c.Args {
			c.Args[i] = binary.NativeEndian.Uint64(b[24+8*i:])
		}
		calls = append(calls, c)
	}
	return calls
}

// Close unmaps the memory. No listener may note anything any more.
func (p *Progress) Close() error {
	if err := unix.Munmap(p.mem); err != nil {
		return fmt.Errorf("unmap shared memory: %w", err)
	}
	return p.file.Close()
}

// note notes a call that was received, which is given the number of its entry.
func (p *Progress) note(c *Call) {
	p.word(0).Store(c.ID)
	i := p.take()
	if i == progressEntries {
		return // whoever takes over cannot go on with this one
	}
	at := progressTable + i*progressEntry
	b := p.mem[at : at+progressEntry]
	binary.NativeEndian.PutUint32(b[8:], uint32(c.TID))
	binary.NativeEndian.PutUint32(b[12:], uint32(c.Nr))
	binary.NativeEndian.PutUint64(b[16:], uint64(c.Arch))
	for i, arg := range c.Args {
		binary.NativeEndian.PutUint64(b[24+8*i:], arg)
	}
	p.word(at).Store(c.ID)
	c.entry = i + 1
}

func (p *Progress) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	if p.next < progressEntries {
		p.next++
		return p.next - 1
	}
	return progressEntries
}

// done forgets a call that was answered or is gone. It does nothing if that was done before.
func (p *Progress) done(c Call) {
	if c.entry == 0 {
		return
	}
	i := c.entry - 1
	if p.word(progressTable+i*progressEntry).CompareAndSwap(c.ID, 0) {
		p.mu.Lock()
		p.free = append(p.free, i)
		p.mu.Unlock()
	}
}

func (p *Progress) word(at int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&p.mem[at])) }
