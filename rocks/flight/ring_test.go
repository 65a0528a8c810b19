package flight

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// content is the byte at each offset of the stream that the tests push through a ring.
func content(offset uint64) byte { return byte(offset*7 + offset>>8) }

func chunk(offset uint64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = content(offset + uint64(i))
	}
	return b
}

// check compares everything that r holds with the stream.
func check(t *testing.T, r *Ring) {
	t.Helper()
	if r.Len() != int(r.End()-r.Start()) || len(r.Bytes()) != r.Len() {
		t.Fatalf("length %d, %d bytes between %d and %d", r.Len(), len(r.Bytes()), r.Start(), r.End())
	}
	if got, want := r.Bytes(), chunk(r.Start(), r.Len()); !bytes.Equal(got, want) {
		t.Fatalf("other bytes from %d to %d", r.Start(), r.End())
	}
}

func TestRing(t *testing.T) {
	r := New(100, 10)
	if n := r.Append(chunk(100, 7)); n != 7 {
		t.Errorf("append: got %d, want 7", n)
	}
	if n := r.Append(chunk(107, 7)); n != 3 || r.Free() != 0 {
		t.Errorf("append to a ring that is nearly full: got %d, %d free; want 3, 0", n, r.Free())
	}
	r.Trim(104)
	check(t, r)
	r.Append(chunk(110, 4))
	check(t, r)
	if a, b := r.Slices(106, 5); !bytes.Equal(append(bytes.Clone(a), b...), chunk(106, 5)) {
		t.Errorf("slices from 106: got %x %x", a, b)
	}
	for _, offset := range []uint64{0, 103, 114, 1 << 63} {
		if a, b := r.Slices(offset, 5); a != nil || b != nil {
			t.Errorf("slices from %d: got %x %x, want none", offset, a, b)
		}
	}
	r.Trim(50)
	if r.Start() != 104 {
		t.Errorf("trim to the past: starts at %d, want 104", r.Start())
	}
	r.Trim(1000)
	if r.Start() != 114 || r.End() != 114 || r.Len() != 0 {
		t.Errorf("trim beyond the end: %d to %d, want 114 to 114", r.Start(), r.End())
	}
}

func TestGrow(t *testing.T) {
	r := New(0, 1<<20)
	if len(r.buf) != 0 {
		t.Error("an empty ring has memory")
	}
	r.Append(chunk(0, 100))
	if len(r.buf) != minSize {
		t.Errorf("small ring has %d bytes, want %d", len(r.buf), minSize)
	}
	for r.Free() > 0 {
		r.Append(chunk(r.End(), 1000))
	}
	if r.Len() != 1<<20 || len(r.buf) != 1<<20 {
		t.Errorf("full ring has %d of %d bytes", r.Len(), len(r.buf))
	}
	check(t, r)
	r.Shrink()
	check(t, r)
	r.Trim(r.End())
	r.Shrink()
	if len(r.buf) != 0 {
		t.Errorf("empty ring keeps %d bytes", len(r.buf))
	}
}

func TestPin(t *testing.T) {
	r := New(0, 8)
	r.Append(chunk(0, 8))
	a, _ := r.Slices(0, 8)
	r.Pin()
	r.Trim(8)
	if r.Free() != 0 || r.Start() != 8 || r.Len() != 0 {
		t.Errorf("pinned: %d free, starts at %d, length %d; want 0, 8, 0", r.Free(), r.Start(), r.Len())
	}
	if n := r.Append(chunk(8, 8)); n != 0 {
		t.Errorf("%d bytes were put over those that are pinned", n)
	}
	if !bytes.Equal(a, chunk(0, 8)) {
		t.Error("pinned bytes have changed")
	}
	r.Unpin()
	if r.Free() != 8 {
		t.Errorf("%d free after unpin, want 8", r.Free())
	}
}

func TestReserveSurvivesTrim(t *testing.T) {
	r := New(0, 64)
	r.Append(chunk(0, 40))
	room := r.Reserve(10)
	r.Trim(40)
	copy(room, chunk(40, len(room)))
	r.Commit(len(room))
	check(t, r)
}

func TestClear(t *testing.T) {
	r := New(5, 64)
	r.Append(chunk(5, 20))
	r.Clear()
	if r.Start() != 25 || r.End() != 25 || r.Free() != 64 {
		t.Errorf("cleared: %d to %d, %d free", r.Start(), r.End(), r.Free())
	}
	r.Append(chunk(25, 3))
	check(t, r)
}

// TestRandom does what an engine does, in any order, and looks at every byte.
func TestRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		run(t, rng.IntN, 1+rng.IntN(20000), uint64(rng.IntN(1000)), 300)
	}
}

// run makes steps changes to a ring, chosen by pick, which returns a number from 0 to below its argument.
func run(t *testing.T, pick func(int) int, limit int, start uint64, steps int) {
	m := newArena()
	r := NewKept(start, limit, m, m.trace)
	pinned := []byte(nil)
	var pinnedAt uint64
	for range steps {
		switch pick(7) {
		case 0, 1:
			r.Append(chunk(r.End(), pick(limit+1)))
		case 2:
			room := r.Reserve(1 + pick(limit))
			k := pick(len(room) + 1)
			copy(room, chunk(r.End(), k))
			m.salvage(t, r.Start(), r.End()+uint64(k))
			r.Trim(r.Start() + uint64(pick(r.Len()+1)))
			r.Commit(k)
		case 3:
			r.Trim(r.Start() + uint64(pick(r.Len()+1)))
		case 4:
			if pinned == nil && r.Len() > 0 {
				pinnedAt = r.Start() + uint64(pick(r.Len()))
				pinned, _ = r.Slices(pinnedAt, limit)
				r.Pin()
			} else if pinned != nil {
				if !bytes.Equal(pinned, chunk(pinnedAt, len(pinned))) {
					t.Fatal("pinned bytes have changed")
				}
				r.Unpin()
				pinned = nil
			}
		case 5:
			r.Shrink()
		case 6:
			if r.n == 0 {
				r.Skip(pick(limit))
			}
		}
		if r.Free() < 0 || r.Len() > limit || len(r.buf) > max(minSize, 2*limit) {
			t.Fatalf("%d bytes in %d, limit %d", r.Len(), len(r.buf), limit)
		}
		check(t, r)
		m.salvage(t, r.Start(), r.End())
	}
	r.Unpin()
	r.Clear()
	if len(m.pieces) > 0 && len(r.stale) == 0 {
		t.Fatalf("%d pieces were not given back", len(m.pieces))
	}
}

func FuzzRing(f *testing.F) {
	f.Add(uint16(64), []byte{0, 40, 3, 20, 1, 44, 4, 3, 2, 4})
	f.Add(uint16(5000), []byte{2, 255, 1, 4, 0, 3, 9, 5, 0, 8})
	f.Fuzz(func(t *testing.T, limit uint16, script []byte) {
		pick := func(n int) int {
			if len(script) == 0 {
				return 0
			}
			v := int(script[0])
			script = script[1:]
			return v * (n/256 + 1) % n
		}
		run(t, pick, 1+int(limit), 7, min(len(script), 60))
	})
}

func BenchmarkAppendTrim(b *testing.B) {
	r := New(0, 1<<20)
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		r.Append(p)
		r.Trim(r.End())
	}
}
