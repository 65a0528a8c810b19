package estate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	magic   = "rockest\x00"
	version = 1

	recordsAt  = 1 << 20
	maxRecords = 1 << 20
	piecesAt   = 32 << 30
	size       = 256 << 30
)

// ErrFull is returned if there is no room for more.
var ErrFull = errors.New("the estate is full")

// Estate is the memory. Its methods may be called concurrently.
type Estate struct {
	file *os.File
	mem  []byte
	pool pool

	mu   sync.Mutex // guards the fields below, which only the process that made the estate uses
	next int        // no record from here on was ever used
	free []int      // records that were
}

// New makes an estate.
func New() (*Estate, error) {
	fd, err := unix.MemfdCreate("rock-estate", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an estate: %w", os.NewSyscallError("memfd_create", err))
	}
	f := os.NewFile(uintptr(fd), "estate")
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("make an estate: %w", err)
	}
	e, err := mapped(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("make an estate: %w", err)
	}
	copy(e.mem, magic)
	binary.NativeEndian.PutUint32(e.mem[len(magic):], version)
	return e, nil
}

// Open takes over the estate of a process that has died. It is only to be read.
func Open(f *os.File) (*Estate, error) {
	e, err := mapped(f)
	if err != nil {
		return nil, fmt.Errorf("open estate: %w", err)
	}
	if v := binary.NativeEndian.Uint32(e.mem[len(magic):]); string(e.mem[:len(magic)]) != magic || v != version {
		err := fmt.Errorf("open estate: it has version %d (%q), this program reads version %d", v, string(e.mem[:len(magic)]), version)
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func mapped(f *os.File) (*Estate, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var mem []byte
	var mapErr error
	err = raw.Control(func(fd uintptr) {
		mem, mapErr = unix.Mmap(int(fd), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	})
	if err = errors.Join(err, os.NewSyscallError("mmap", mapErr)); err != nil {
		return nil, err
	}
	return &Estate{file: f, mem: mem, pool: pool{bump: piecesAt}}, nil
}

// Close unmaps the memory and closes the file. Nothing of it may be used any more: not for an estate that has had rings.
func (e *Estate) Close() error { return errors.Join(unix.Munmap(e.mem), e.file.Close()) }

// File is the file of the memory. It stays the Estate's.
func (e *Estate) File() *os.File { return e.file }

func (e *Estate) word(at int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&e.mem[at])) }
