package tracee_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
	"rock/rocks/interpose/tracee"
)

// TestCopyOut lets a program make each call twice, once answered by the kernel
// and once by us, and the program compare what it got.
func TestCopyOut(t *testing.T) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		t.Run(fmt.Sprint("family ", family), func(t *testing.T) {
			p := seccomptest.Start(t, "copyout", fmt.Sprint(family))
			p.Serve(1, func(c seccomp.Call) {
				var err error
				if c.Args[0]&ours == 0 {
					err = p.Listener.Continue(c)
				} else {
					err = emulate(p.Listener, c, family)
				}
				if err != nil && !errors.Is(err, seccomp.ErrGone) {
					t.Errorf("answer: %v", err)
				}
			})
			for {
				line := p.Line()
				if line == "done" {
					break
				}
				t.Error(line)
			}
			p.Succeed()
		})
	}
}

// ours marks the descriptor of a call that we are to answer. The kernel takes
// descriptors for ints and does not see it.
const ours = 1 << 40

// emulate answers as the kernel would, through a duplicate of the socket.
func emulate(l *seccomp.Listener, c seccomp.Call, family int) error {
	fd, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch c.Nr {
	case unix.SYS_GETSOCKNAME:
		err = tracee.WriteName(c.TID, c.Args[1], c.Args[2], name(unix.Getsockname(fd)), family)
	case unix.SYS_GETPEERNAME:
		err = tracee.WriteName(c.TID, c.Args[1], c.Args[2], name(unix.Getpeername(fd)), family)
	case unix.SYS_ACCEPT4:
		err = tracee.WriteSockaddr(c.TID, c.Args[1], c.Args[2], name(unix.Getsockname(fd)), family)
	case unix.SYS_GETSOCKOPT:
		if c.Args[2] == unix.SO_PEERNAME {
			err = tracee.WritePeername(c.TID, c.Args[3], c.Args[4], name(unix.Getpeername(fd)), family)
		} else {
			err = tracee.WriteOption(c.TID, c.Args[3], c.Args[4], 0)
		}
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return l.Fail(c, errno)
	}
	return l.Return(c, 0)
}

func name(sa unix.Sockaddr, err error) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// pages are three pages: writable, read-only, not mapped for anything.
type pages []byte

func newPages() pages {
	size := os.Getpagesize()
	m, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(err)
	}
	if unix.Mprotect(m[size:2*size], unix.PROT_READ) != nil || unix.Mprotect(m[2*size:], unix.PROT_NONE) != nil {
		panic("mprotect")
	}
	return m
}

func (p pages) at(page, offset int) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p))) + uintptr(page*os.Getpagesize()+offset)
}

// A request is one call; the buffer and the length word are arguments number
// addrArg and addrArg+1.
type request struct {
	name    string
	nr      uintptr
	args    [5]uintptr
	addrArg int
	accept  bool
}

// outcome is what a program can see of a call. The length word is of no interest
// after a fault: kernels differ.
type outcome struct {
	ok    bool
	errno syscall.Errno
	buf   string
	len   uint32
}

func progCopyOut() {
	var family int
	fmt.Sscan(os.Args[1], &family)
	listener, client, server := pair(family)
	requests := []request{
		{"getsockname", unix.SYS_GETSOCKNAME, [5]uintptr{uintptr(server)}, 1, false},
		{"getpeername", unix.SYS_GETPEERNAME, [5]uintptr{uintptr(server)}, 1, false},
		{"SO_PEERNAME", unix.SYS_GETSOCKOPT, [5]uintptr{uintptr(client), unix.SOL_SOCKET, unix.SO_PEERNAME}, 3, false},
		{"SO_ERROR", unix.SYS_GETSOCKOPT, [5]uintptr{uintptr(client), unix.SOL_SOCKET, unix.SO_ERROR}, 3, false},
		{"accept4", unix.SYS_ACCEPT4, [5]uintptr{uintptr(listener)}, 1, true},
	}
	mem := newPages()
	addrs := map[string]uintptr{
		"writable": mem.at(0, 1024), "NULL": 0, "read-only": mem.at(1, 0), "unmapped": mem.at(2, 0),
		"into read-only": mem.at(1, -8), "into unmapped": mem.at(2, -8), "kernel": ^uintptr(0) - 4095,
	}
	lens := map[string]uintptr{"writable": mem.at(0, 0), "NULL": 0, "read-only": mem.at(1, 64), "unmapped": mem.at(2, 64)}
	for _, r := range requests {
		for an, addr := range addrs {
			for ln, length := range lens {
				for _, room := range []int32{0, 1, 2, 4, 15, 16, 27, 28, 64, 128, 1 << 30, -1, -1 << 31} {
					kernel := r.run(mem, 0, addr, length, room, listener)
					we := r.run(mem, ours, addr, length, room, listener)
					if kernel != we {
						fmt.Printf("%s, address %s, length %s, room %d: kernel %+v, we %+v\n", r.name, an, ln, room, kernel, we)
					}
				}
			}
		}
	}
	fmt.Println("done")
}

func (r request) run(mem pages, mark, addr, length uintptr, room int32, listener int) outcome {
	edge := os.Getpagesize()
	for i := range mem[:edge] {
		mem[i] = 0xaa
	}
	binary.NativeEndian.PutUint32(mem, uint32(room))
	if r.accept {
		defer unix.Close(dial(listener))
	}
	a := r.args
	a[0] |= mark
	a[r.addrArg], a[r.addrArg+1] = addr, length
	n, _, e := unix.Syscall6(r.nr, a[0], a[1], a[2], a[3], a[4], 0)
	if r.accept && mark != 0 { // we did not take the connection, whatever we said
		n, _, _ = unix.Syscall6(r.nr, uintptr(listener), 0, 0, 0, 0, 0)
	}
	if r.accept {
		_ = unix.Close(int(n)) // -1 if the kernel had taken it in vain
	}
	o := outcome{ok: e == 0, errno: e}
	if e == 0 {
		o.len = binary.NativeEndian.Uint32(mem)
	}
	if r.accept { // another port every time
		mem[1026], mem[1027] = 0, 0
		mem[edge-6], mem[edge-5] = 0, 0
	}
	o.buf = fmt.Sprintf("%x", mem[1024:1152]) + fmt.Sprintf("%x", mem[edge-8:edge])
	return o
}

// pair returns a listener on loopback and a connection to it.
func pair(family int) (listener, client, server int) {
	listener = must(unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	var sa unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if family == unix.AF_INET6 {
		sa = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	if err := errors.Join(unix.Bind(listener, sa), unix.Listen(listener, 16)); err != nil {
		panic(err)
	}
	client = dial(listener)
	server, _, err := unix.Accept(listener) // Go uses accept4
	if err != nil {
		panic(err)
	}
	return listener, client, server
}

func dial(listener int) int {
	sa, err := unix.Getsockname(listener)
	if err != nil {
		panic(err)
	}
	family := unix.AF_INET
	if _, ok := sa.(*unix.SockaddrInet6); ok {
		family = unix.AF_INET6
	}
	fd := must(unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Connect(fd, sa); err != nil {
		panic(err)
	}
	return fd
}

func must(fd int, err error) int {
	if err != nil {
		panic(err)
	}
	return fd
}
