package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rock/rocks/rendezvous"
)

func open(t *testing.T, path string, most int) *Store {
	t.Helper()
	s, err := Open(path, most)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "words")
	s := open(t, path, 2)
	ctx, soon := t.Context(), time.Now().Add(time.Minute).Truncate(time.Millisecond)
	put := func(name byte, sequence uint64, until time.Time, want error) {
		t.Helper()
		if err := s.Put(ctx, rendezvous.Name{name}, sequence, fmt.Appendf(nil, "%d.%d", name, sequence), until); !errors.Is(err, want) {
			t.Errorf("put %d.%d: got %v, want %v", name, sequence, err, want)
		}
	}
	get := func(name byte, want string) {
		t.Helper()
		v, until, err := s.Get(ctx, rendezvous.Name{name})
		if string(v) != want || err != nil || want != "" && !until.Equal(soon) {
			t.Errorf("get %d: got %q, %v, %v", name, v, until, err)
		}
	}
	get(1, "")
	put(1, 5, soon, nil)
	put(1, 5, soon, rendezvous.ErrOld)
	put(1, 4, soon, rendezvous.ErrOld)
	put(1, 6, soon, nil)
	put(2, 1, time.Now().Add(-time.Second), nil)
	put(3, 1, soon, rendezvous.ErrFull)
	get(1, "1.6")
	get(2, "")
	put(2, 1, soon, nil) // the first has expired
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, 2)
	defer s.Close()
	get(1, "1.6")
	get(2, "2.1")
	put(3, 1, soon, rendezvous.ErrFull)
	if err := s.removeExpired(soon.Add(time.Second)); err != nil {
		t.Error(err)
	}
	get(1, "")
	put(3, 1, soon, nil)
}

func TestManyAtOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "words"), 1000)
	defer s.Close()
	var all sync.WaitGroup
	for i := range byte(200) {
		all.Go(func() {
			if err := s.Put(t.Context(), rendezvous.Name{i}, 1, []byte{i}, time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range byte(200) {
		if v, _, err := s.Get(t.Context(), rendezvous.Name{i}); err != nil || len(v) != 1 || v[0] != i {
			t.Errorf("%d: got %v, %v", i, v, err)
		}
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, 1) // though it is damaged
	if _, err := Open(path, 1); err == nil {
		t.Error("a file that is in use was opened")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.TempDir(), 1); err == nil {
		t.Error("a directory was opened")
	}
}
