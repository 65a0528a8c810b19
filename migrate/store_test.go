package migrate

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// The kernel copies from the store, or this process does where that is not possible.
func TestCopyTo(t *testing.T) {
	kept := make([]byte, 3*readAtOnce/2)
	rand.NewChaCha8([32]byte{}).Read(kept)
	s := storeOf(t, kept)
	for _, apart := range []bool{false, true} {
		s.apart = apart
		w, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		want := make([]byte, len(kept))
		for _, c := range []struct{ to, from, n int64 }{{0, 0, int64(len(kept))}, {7, 5000, 8192}, {100_000, 0, 1}, {0, int64(len(kept)) - 3, 3}} {
			if err := s.copyTo(w, c.to, c.from, c.n); err != nil {
				t.Fatal(err)
			}
			copy(want[c.to:], kept[c.from:][:c.n])
		}
		if got, err := os.ReadFile(w.Name()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("apart %v: copied something else (%v)", apart, err)
		}
		if s.apart != apart {
			t.Log("the kernel does not copy here")
		}
	}
	// What is not there is not made up.
	short := &store{f: s.f, whole: int64(len(kept)) + 1}
	w, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if short.copyTo(w, 0, 0, int64(len(kept))+1) == nil {
		t.Error("copied more than there is")
	}
}
