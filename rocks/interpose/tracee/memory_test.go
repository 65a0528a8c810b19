package tracee_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomptest"
	"rock/rocks/interpose/tracee"
)

// progMemory offers three pages (see newPages) as arguments of a trapped call
// and prints the end of the first one afterwards.
func progMemory() {
	mem := newPages()
	size := os.Getpagesize()
	copy(mem[size-8:], "8 bytes.")
	_, _, _ = unix.Syscall(unix.SYS_GETPEERNAME, ^uintptr(0), mem.at(0, 0), mem.at(2, 0))
	fmt.Printf("%q\n", mem[size-8:size])
}

func TestMemory(t *testing.T) {
	p := seccomptest.Start(t, "memory")
	c := p.Call(unix.SYS_GETPEERNAME)
	size := uint64(os.Getpagesize())
	edge, readonly, none := c.Args[1]+size-8, c.Args[1]+size, c.Args[2]

	reads := []struct {
		name string
		addr uint64
		n    int
		err  error
	}{
		{"nothing", 0, 0, nil},
		{"within a page", edge, 8, nil},
		{"over two pages", edge, 16, nil},
		{"read-only page", readonly, 8, nil},
		{"NULL", 0, 1, unix.EFAULT},
		{"first page", 4096, 8, unix.EFAULT},
		{"kernel", 1<<64 - 4096, 8, unix.EFAULT},
	}
	for _, tt := range reads {
		b := make([]byte, tt.n)
		if err := tracee.Read(c.TID, tt.addr, b); !errors.Is(err, tt.err) {
			t.Errorf("read %s: %v, want %v", tt.name, err, tt.err)
		}
		if tt.addr == edge && !bytes.HasPrefix(b, []byte("8 bytes.")) {
			t.Errorf("read %s: %q", tt.name, b)
		}
		if tt.n == 0 {
			continue
		}
		slow := make([]byte, tt.n)
		if _, err := tracee.ReadMem(c.TID, tt.addr, slow); !errors.Is(err, tt.err) || !bytes.Equal(b, slow) {
			t.Errorf("read %s through /proc: %q, %v, want %q, %v", tt.name, slow, err, b, tt.err)
		}
	}
	if err := tracee.Read(c.TID, none, make([]byte, 8)); !errors.Is(err, unix.EFAULT) {
		t.Errorf("read what the task cannot read: %v, want EFAULT", err)
	}
	writes := []struct {
		name string
		addr uint64
		text string
		err  error
	}{
		{"nothing", 0, "", nil},
		{"within a page", edge, "written.", nil},
		{"read-only page", readonly, "x", unix.EFAULT},
		{"unreadable page", none, "x", unix.EFAULT},
		{"NULL", 0, "x", unix.EFAULT},
		{"into a read-only page", edge + 4, "half gone", unix.EFAULT},
	}
	for _, tt := range writes {
		if err := tracee.Write(c.TID, tt.addr, []byte(tt.text)); !errors.Is(err, tt.err) {
			t.Errorf("write %s: %v, want %v", tt.name, err, tt.err)
		}
	}
	if err := p.Listener.Return(c, 0); err != nil {
		t.Fatal(err)
	}
	if got, want := p.Line(), `"writhalf"`; got != want {
		t.Errorf("program sees %s, want %s", got, want)
	}
	p.Succeed()
}

// BenchmarkEmulate measures a getsockname that is answered in full: fetch the
// socket, ask it, write the address, check that the call still waits.
func BenchmarkEmulate(b *testing.B) {
	p := seccomptest.Start(b, "copyout", fmt.Sprint(unix.AF_INET))
	defer p.Kill()
	l := p.Listener
	for {
		c, err := l.Receive()
		if err != nil {
			b.Fatal(err)
		}
		if c.Nr != unix.SYS_GETSOCKNAME || c.Args[0]&ours == 0 {
			if err := l.Continue(c); err != nil {
				b.Fatal(err)
			}
			continue
		}
		b.ResetTimer()
		for range b.N {
			fd, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
			if err != nil {
				b.Fatal(err)
			}
			a := name(unix.Getsockname(fd))
			unix.Close(fd)
			_ = tracee.WriteName(c.TID, c.Args[1], c.Args[2], a, unix.AF_INET)
			if !l.Valid(c) {
				b.Fatal("the call is gone")
			}
		}
		return
	}
}
