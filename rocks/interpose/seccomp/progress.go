package seccomp

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Progress is a word of shared memory that holds the ID of the call received
// last. Whoever takes a listener over from a process that died finds the calls
// that nobody answered by it: nobody is notified of a call twice.
type Progress struct {
	file *os.File
	mem  []byte
}

// progressSize is what is mapped; the first 8 bytes count, in native order.
const progressSize = 4096

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
	return &Progress{f, mem}, nil
}

// File returns the file to hand to another process. It stays the Progress's.
func (p *Progress) File() *os.File { return p.file }

// Last returns the ID noted last, 0 if none was.
func (p *Progress) Last() uint64 { return p.word().Load() }

// Close unmaps the memory. No listener may note anything any more.
func (p *Progress) Close() error {
	if err := unix.Munmap(p.mem); err != nil {
		return fmt.Errorf("unmap shared memory: %w", err)
	}
	return p.file.Close()
}

func (p *Progress) word() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&p.mem[0])) }
