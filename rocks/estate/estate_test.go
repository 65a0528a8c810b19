package estate

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) *Estate {
	t.Helper()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// heir returns the estate as another process sees it: by its file.
func heir(t *testing.T, e *Estate) *Estate {
	t.Helper()
	fd, err := unix.FcntlInt(e.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(os.NewFile(uintptr(fd), "estate"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestRecords(t *testing.T) {
	e := open(t)
	var all []*Record
	for i := range 3 {
		r, err := e.NewRecord()
		if err != nil {
			t.Fatal(err)
		}
		r.Word(3).Store(uint64(i))
		if err := r.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	all[0].Publish(7)
	all[2].Publish(8)
	seen := map[uint64]byte{}
	for r, kind := range heir(t, e).Records() {
		b, err := r.Read()
		if err != nil || len(b) != 1 || uint64(b[0]) != r.Word(3).Load() {
			t.Errorf("record of kind %d: %x, %v", kind, b, err)
			continue
		}
		seen[kind] = b[0]
	}
	if len(seen) != 2 || seen[7] != 0 || seen[8] != 2 {
		t.Errorf("got %v, want what was published", seen)
	}

	all[0].Free()
	r, err := e.NewRecord()
	if err != nil {
		t.Fatal(err)
	}
	if r.no != all[0].no || r.Word(3).Load() != 0 {
		t.Errorf("record %d with word %d, want the free one, cleared", r.no, r.Word(3).Load())
	}
	for _, kind := range heir(t, e).Records() {
		if kind == 7 {
			t.Error("a record that was given up is still seen")
		}
	}
}

// A part is the old one until the new one is whole.
func TestPartIsReplacedAsAWhole(t *testing.T) {
	e := open(t)
	r, err := e.NewRecord()
	if err != nil {
		t.Fatal(err)
	}
	r.Publish(1)
	old := bytes.Repeat([]byte{1}, MaxPart)
	for _, b := range [][]byte{old, {2}, nil, old} {
		if err := r.Write(b); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Read(); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(b))
		}
		other := r.slot(3 - r.word(slotWord).Load())
		copy(other, bytes.Repeat([]byte{0xee}, len(other))) // as a Write does that is cut off
		if got, err := r.Read(); err != nil || !bytes.Equal(got, b) {
			t.Fatal("what is written into the other slot is seen")
		}
	}
	if err := r.Write(make([]byte, MaxPart+1)); !errors.Is(err, ErrFull) {
		t.Errorf("a part that is too long: %v", err)
	}
	if got, err := r.Read(); err != nil || !bytes.Equal(got, old) {
		t.Error("a part that is too long has spoiled the one before")
	}
}

func TestPieces(t *testing.T) {
	e := open(t)
	a, at := e.Take(4096)
	b, bt := e.Take(1 << 20)
	copy(a, "one")
	copy(b[1<<20-3:], "two")
	h := heir(t, e)
	for _, c := range []struct {
		place uint64
		size  int
		from  int
		want  string
	}{{at, 4096, 0, "one"}, {bt, 1 << 20, 1<<20 - 3, "two"}} {
		p, err := h.Piece(c.place)
		if err != nil || len(p) != c.size || string(p[c.from:c.from+3]) != c.want {
			t.Errorf("piece at %#x: %d bytes, %v", c.place, len(p), err)
		}
	}
	e.Give(bt)
	if p, _ := h.Piece(bt); p[1<<20-1] != 0 {
		t.Error("a large piece that was given back keeps its memory")
	}
	if _, again := e.Take(1 << 20); again != bt {
		t.Errorf("got place %#x, want the free one %#x", again, bt)
	}
	for _, bad := range []uint64{0, 12, at + 100, 1 << 60, uint64(size) | 12, uint64(size-4096) | 13} {
		if _, err := h.Piece(bad); err == nil {
			t.Errorf("a piece at %#x", bad)
		}
	}
	if p, _ := e.Take(1 << 40); p != nil {
		t.Error("a piece of a terabyte")
	}
}

func TestOpenRefusesOtherVersions(t *testing.T) {
	e := open(t)
	e.mem[len(magic)] = 99
	fd, err := unix.FcntlInt(e.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(os.NewFile(uintptr(fd), "estate")); err == nil {
		t.Error("another version was opened")
	}
}
