package migrate

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped maps n pages, which do not become huge ones.
func mapped(t *testing.T, n, flags int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	return b
}

// What a process has written to is found, private or shared, between pages that are not there or cannot be read; what is a
// file's is not.
func TestLiveMemory(t *testing.T) {
	size := os.Getpagesize()
	// A mark begins with these, so that a copy of one on a stack is not at the beginning of a page.
	mark := func(b []byte, kind byte, i int) { copy(b[i*size:], []byte{'m', 'a', 'r', 'k', kind, byte(i)}) }
	const n = 200
	private, shared, closed := mapped(t, n, unix.MAP_PRIVATE), mapped(t, n, unix.MAP_SHARED), mapped(t, n, unix.MAP_PRIVATE)
	for i := 0; i < n; i += 3 {
		mark(private, 1, i)
		mark(shared, 2, i)
	}
	for i := range n {
		mark(closed, 3, i)
	}
	if err := unix.Mprotect(closed[50*size:][:10*size], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := make([]byte, 2*size)
	mark(content, 4, 0)
	mark(content, 4, 1)
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	clear(content) // else it is found where it is now
	file, err := unix.Mmap(int(f.Fd()), 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(file)
	mark(file, 5, 1) // so that this page is private

	found := map[[2]byte]int{}
	m := liveMemory{func() ([]int, error) { return []int{os.Getpid(), 1 << 30}, nil }}
	err = m.read(t.Context(), func(pages []byte) error {
		if len(pages) == 0 || len(pages)%size > 0 {
			t.Errorf("%d bytes are no pages", len(pages))
		}
		for ; len(pages) > 0; pages = pages[size:] {
			if string(pages[:4]) == "mark" {
				found[[2]byte{pages[4], pages[5]}]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for kind, want := range []bool{1: i%3 == 0, 2: i%3 == 0, 3: i < 50 || i >= 60, 4: false, 5: i == 1} {
			if got := found[[2]byte{byte(kind), byte(i)}] > 0; got != want {
				t.Errorf("page %d of mapping %d is found: %v, want %v", i, kind, got, want)
			}
		}
	}
	if err := Readable(); err != nil {
		t.Error(err)
	}
}

// What cannot be read while a batch is read is left out, and nothing else; an error of who takes the pages ends it.
func TestHoles(t *testing.T) {
	size := os.Getpagesize()
	b := mapped(t, 64, unix.MAP_PRIVATE)
	for i := range 64 {
		b[i*size] = byte(i + 1)
	}
	if err := errors.Join(unix.Mprotect(b[:size], unix.PROT_NONE), unix.Mprotect(b[9*size:][:2*size], unix.PROT_NONE), unix.Mprotect(b[63*size:], unix.PROT_NONE)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	r := reader{page: size, pid: os.Getpid(), buf: make([]byte, readAtOnce), take: func(pages []byte) error {
		for ; len(pages) > 0; pages = pages[size:] {
			got = append(got, pages[0])
		}
		return nil
	}}
	for i := range 64 {
		if i != 20 { // there may be ranges between which something is missing
			if err := r.want(addressOf(b) + uint64(i*size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.flush(); err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range 64 {
		if i != 0 && i != 9 && i != 10 && i != 20 && i != 63 {
			want = append(want, byte(i+1))
		}
	}
	if string(got) != string(want) {
		t.Errorf("read the pages %d, want %d", got, want)
	}
	failure := errors.New("enough")
	r.take = func([]byte) error { return failure }
	if err := errors.Join(r.want(addressOf(b)+uint64(size)), r.flush()); !errors.Is(err, failure) {
		t.Errorf("got %v, want the error of who takes the pages", err)
	}
}

func TestMappings(t *testing.T) {
	for line, want := range map[string]bool{
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n":                          true,
		"55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                   [heap]\n":  true,
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                   [stack]\n": true,
		"7f0000000000-7f0000001000 r-xp 00001000 08:01 1234   /usr/lib/libc.so.6\n":   true,
		"7f0000000000-7f0000001000 rw-s 00000000 00:01 77     /dev/zero (deleted)\n":  true,
		"7f0000000000-7f0000001000 rw-s 00000000 00:01 77     /memfd:x (deleted)\n":   true,
		"7f0000000000-7f0000001000 rw-s 00000000 08:01 77     /var/lib/db\n":          false,
		"7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n":                          false,
		"7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                   [vdso]\n":  false,
		"7ffc00000000-7ffc00004000 r--p 00000000 00:00 0                   [vvar]\n":  false,
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0       [vsyscall]\n":  false,
		"100000000000-700000000000 rw-p 00000000 00:00 0 \n":                          false,
		"":     false,
		"7f00": false,
	} {
		if _, ok := parseMapping([]byte(line)); ok != want {
			t.Errorf("%q is looked through: %v, want %v", line, ok, want)
		}
	}
}

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }
