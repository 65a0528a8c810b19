package migrate

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"rock/migrate/stream"
)

// Steps that continue each other are one, whatever they say; what the target makes of them is the file.
func TestRecipe(t *testing.T) {
	var r recipe
	r.give(0, []byte("ab"))
	r.give(2, []byte("cd"))
	r.refer(4, 100, 3)
	r.refer(7, 103, 3)
	r.refer(10, 100, 3)
	r.give(20, []byte("ef"))
	want := []step{
		{to: 0, length: 4, data: []byte("abcd")}, {to: 4, length: 6, from: 100}, {to: 10, length: 3, from: 100},
		{to: 20, length: 2, data: []byte("ef")},
	}
	b := r.b
	for i, w := range want {
		s, rest, err := nextStep(b)
		if err != nil || s.to != w.to || s.length != w.length || s.from != w.from || !bytes.Equal(s.data, w.data) {
			t.Errorf("step %d is %+v, %v, want %+v", i, s, err, w)
		}
		b = rest
	}
	if len(b) > 0 || r.covered != 15 {
		t.Errorf("%d bytes are left, and %d covered, want 0 and 15", len(b), r.covered)
	}
}

// A chunk of a recipe is never larger than what can be sent, and does not cover much.
func TestRecipeFull(t *testing.T) {
	const page = 4096
	for name, add := range map[string]func(*recipe, int64){
		"data, all over": func(r *recipe, n int64) { r.give(2*n*page, make([]byte, page)) },
		"data":           func(r *recipe, n int64) { r.give(n*page, make([]byte, page)) },
		"references":     func(r *recipe, n int64) { r.refer(n*page, n*page, page) },
	} {
		var r recipe
		for n := int64(0); !r.full(page); n++ {
			add(&r, n)
		}
		if len(r.b) > stream.ChunkSize || r.covered > mostCovered || len(r.b) < stream.ChunkSize-2*page && r.covered < mostCovered {
			t.Errorf("%s: full with %d bytes that cover %d", name, len(r.b), r.covered)
		}
	}
}

// storeOf has these bytes.
func storeOf(t testing.TB, b []byte) *store {
	t.Helper()
	s, err := newStore(t.TempDir(), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if len(b) > 0 {
		if err := s.add(&stream.Chunk{Data: b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.settle(int64(len(b))); err != nil {
		t.Fatal(err)
	}
	return s
}

// A reference to what the target does not have is refused, and so is what is cut off or too large.
func TestBadRecipe(t *testing.T) {
	w, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	refer := func(to, from int64, n int) []byte {
		var r recipe
		r.refer(to, from, n)
		return r.b
	}
	var given recipe
	given.give(0, []byte("abc"))
	a := &arrival{store: storeOf(t, []byte("0123456789"))}
	for name, b := range map[string][]byte{
		"behind the end":     refer(0, 10, 1),
		"over the end":       refer(0, 4, 7),
		"far away":           refer(0, 1<<62, 1),
		"overflows":          refer(0, math.MaxInt64, 1),
		"negative":           refer(0, -2, 1),
		"nothing":            refer(0, 0, 0),
		"beyond all files":   refer(math.MaxInt64, 0, 1),
		"at a negative one":  refer(-1, 0, 1),
		"header cut off":     refer(0, 0, 1)[:stepHeader-1],
		"data cut off":       given.b[:len(given.b)-1],
		"more behind a step": append(refer(0, 0, 1), 0),
	} {
		if err := a.follow(w, b); err == nil {
			t.Errorf("%s: was followed", name)
		}
	}
	if err := (&arrival{}).follow(w, refer(0, 0, 1)); err == nil {
		t.Error("a reference was followed without a store")
	}
	if err := a.follow(w, refer(3, 2, 8)); err != nil {
		t.Error(err)
	}
}

// What is in the store must be there without gaps, and fit.
func TestStore(t *testing.T) {
	s, err := newStore(t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	add := func(offset int64, data string) error { return s.add(&stream.Chunk{Offset: offset, Data: []byte(data)}) }
	if err := errors.Join(add(4, "4567"), add(0, "0123")); err != nil {
		t.Fatal(err)
	}
	if add(8, "89a") == nil {
		t.Error("took more than there is room for")
	}
	if s.copyTo(nil, 0, 0, 1) == nil {
		t.Error("a reference to what is not complete was followed")
	}
	if s.settle(9) == nil || s.settle(4) == nil {
		t.Error("a wrong size was taken for the right one")
	}
	if err := s.settle(8); err != nil {
		t.Error(err)
	}
	if err := add(9, "9"); err != nil || s.settle(10) == nil {
		t.Errorf("a gap was not seen (%v)", err)
	}
}

func FuzzStep(f *testing.F) {
	var r recipe
	r.give(0, []byte("abc"))
	r.refer(3, 0, 10)
	f.Add(r.b)
	f.Add(r.b[stepHeader+3:])
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			s, rest, err := nextStep(b)
			if err != nil {
				return
			}
			if s.length < 1 || s.to < 0 || s.from < 0 || s.to+s.length < s.to || s.from+s.length < s.from || s.data != nil && int64(len(s.data)) != s.length {
				t.Fatalf("%x gives %+v", b, s)
			}
			// Encoded again it is the same.
			var again recipe
			if s.data != nil {
				again.give(s.to, s.data)
			} else {
				again.refer(s.to, s.from, int(s.length))
			}
			if n := len(b) - len(rest); !bytes.Equal(again.b, b[:n]) {
				t.Fatalf("%x became %x", b[:n], again.b)
			}
			b = rest
		}
	})
}
