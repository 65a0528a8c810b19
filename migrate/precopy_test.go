package migrate

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rock/ckpt/image"
	"rock/migrate/stream"
)

const page = 4096

// memories are what is found in memory, round by round; the last one stays.
type memories struct {
	rounds [][]byte
	next   int
}

func (m *memories) read(_ context.Context, take func([]byte) error) error {
	b := m.rounds[min(m.next, len(m.rounds)-1)]
	m.next++
	for len(b) > 0 {
		n := min(len(b), 7*page)
		part := bytes.Clone(b[:n])
		if err := take(part); err != nil {
			return err
		}
		clear(part) // it is good only for the time of the call
		b = b[n:]
	}
	return nil
}

// pages are different from each other, and from those with another seed.
func pages(n int, seed byte) []byte {
	b := make([]byte, n*page)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// ends are the two ends of a migration: what the source sends arrives.
type ends struct {
	conn    *stream.Conn
	line    *line
	ctx     context.Context // ends when the source gives up
	arrival *arrival
	failed  chan error // what the target says to what it gets
}

func newEnds(t *testing.T, room int64) *ends {
	t.Helper()
	a, b := net.Pipe()
	here, there := stream.New(a, a), stream.New(b, b)
	greeted := make(chan error, 1)
	go func() { greeted <- there.Hello() }()
	if err := errors.Join(here.Hello(), <-greeted); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := newStore(dir, room)
	if err != nil {
		t.Fatal(err)
	}
	e := &ends{conn: here, failed: make(chan error, 1)}
	if e.arrival, err = newArrival(filepath.Join(dir, "image"), s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	e.ctx = ctx
	e.line = newLine(here, cancel)
	x := &target{conn: there, arrival: e.arrival}
	go func() {
		defer b.Close()
		for {
			f, err := there.Receive()
			if err == nil && f.Kind != kindAlive {
				err = x.take(f)
			}
			if err != nil {
				e.failed <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		a.Close()
		b.Close()
		e.line.wait()
		_ = e.arrival.abandon()
		s.close()
	})
	return e
}

// deliver sends a directory with what CRIU wrote, and completes the image.
func (e *ends) deliver(t *testing.T, dir string, has *ahead, spoil func([]image.Sum)) (*sending, error) {
	t.Helper()
	s := newSending(e.ctx, e.conn, dir, has)
	if err := s.rest(e.ctx); err != nil {
		return nil, err
	}
	// The target answers what comes after all else.
	if err := e.conn.Send(kindRound, round{Bytes: size(has)}); err != nil {
		return nil, err
	}
	if err := e.line.expect(e.ctx, kindHeld, nil, nil); err != nil {
		return nil, err
	}
	m := &image.Manifest{Sums: s.sums}
	if spoil != nil {
		spoil(m.Sums)
	}
	return s, e.arrival.complete(t.Context(), m)
}

func size(a *ahead) int64 {
	if a == nil {
		return 0
	}
	return a.size
}

// imageOf writes files into a directory as CRIU does.
func imageOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	files[image.RocksFile] = nil
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Two rounds find what there is and what has changed; of the pages files only the rest is sent, and they arrive as they were.
func TestPrecopy(t *testing.T) {
	const n = 1200
	first := pages(n, 1)
	copy(first[10*page:], make([]byte, 20*page)) // the same, again and again
	second := bytes.Clone(first)
	copy(second[100*page:], pages(400, 2))
	third := bytes.Clone(second)
	copy(third[600*page:], pages(5, 3))

	e := newEnds(t, 4*n*page)
	a := newAhead(4*n*page, page)
	m := &memories{rounds: [][]byte{first, second}}
	if err := a.send(e.ctx, m, e.conn, e.line, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	// 1181 and 400 pages are new, then none.
	if a.rounds != 3 || a.size != (1181+400)*page {
		t.Errorf("%d pages were sent in %d rounds, want 1581 in 3", a.size/page, a.rounds)
	}

	torn := bytes.Clone(third[:40*page+100]) // a file that does not end with a page
	backwards := make([]byte, 0, len(third))
	for i := n - 1; i >= 0; i-- {
		backwards = append(backwards, third[i*page:][:page]...)
	}
	files := map[string][]byte{
		"pages-1.img": third, "pages-2.img": backwards, "pages-3.img": torn, "pages-4.img": nil, "core-1.img": pages(1, 9),
	}
	before := e.conn.Stats().Sent
	s, err := e.deliver(t, imageOf(t, files), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(2*(n-5)+40) * page; s.recalled != want {
		t.Errorf("%d pages were sent as references, want %d", s.recalled/page, want/page)
	}
	if sent := e.conn.Stats().Sent - before; sent > 100*page {
		t.Errorf("%d bytes were sent after that", sent)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(e.arrival.dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it was: %d bytes, want %d (%v)", name, len(got), len(want), err)
		}
	}
}

// Rounds end when they do not find less, when the target is full, and after a few.
func TestRounds(t *testing.T) {
	// All that is enough must be more than that.
	const n = 3 * enough / page
	changing := func(rounds int, changed func(round int) int) [][]byte {
		var all [][]byte
		b := pages(n, 1)
		for r := range rounds {
			b = bytes.Clone(b)
			copy(b, pages(changed(r), byte(r+1)))
			all = append(all, b)
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		rounds [][]byte
		room   int64
		want   int
		size   int64
	}{
		{"nothing changes", changing(9, func(int) int { return 0 }), 100 * n * page, 2, n},
		{"all changes", changing(9, func(int) int { return n }), 100 * n * page, 2, 2 * n},
		{"no room", changing(9, func(int) int { return n }), n * page / 2, 1, n / 2},
		{"little memory", [][]byte{pages(3, 1)}, 100 * n * page, 1, 3},
		{"none", [][]byte{nil}, 100 * n * page, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnds(t, tt.room)
			a := newAhead(tt.room, page)
			if err := a.send(e.ctx, &memories{rounds: tt.rounds}, e.conn, e.line, func(int64) {}); err != nil {
				t.Fatal(err)
			}
			if a.rounds != tt.want || a.size != tt.size*page {
				t.Errorf("%d pages in %d rounds, want %d in %d", a.size/page, a.rounds, tt.size, tt.want)
			}
		})
	}
}

// An image that is not what was sent is no image, for each file and for one that is missing.
func TestWrongSum(t *testing.T) {
	files := map[string][]byte{"pages-1.img": pages(20, 1), "core-1.img": []byte("core")}
	for name, spoil := range map[string]func([]image.Sum){
		"":            nil,
		"core-1.img":  func(s []image.Sum) { s[0].Sum++ },
		"pages-1.img": func(s []image.Sum) { s[1].Sum++ },
		"core-1.im":   func(s []image.Sum) { s[0].Name = "core-1.im" },
		"pages-1.im":  func(s []image.Sum) { s[1].Name = "pages-1.im" },
	} {
		e := newEnds(t, 1<<20)
		_, err := e.deliver(t, imageOf(t, files), newAhead(1<<20, page), spoil)
		if name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
			t.Errorf("sum of %q: %v", name, err)
		}
	}
}

// The page of another store, as it would be after a mistake on either side, is noticed in the end.
func TestWrongPage(t *testing.T) {
	e := newEnds(t, 1<<20)
	a := newAhead(1<<20, page)
	b := pages(20, 1)
	if err := a.send(e.ctx, &memories{rounds: [][]byte{b}}, e.conn, e.line, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	for sum, offset := range a.at {
		a.at[sum] = (offset + page) % a.size
	}
	if _, err := e.deliver(t, imageOf(t, map[string][]byte{"pages-1.img": b}), a, nil); err == nil || !strings.Contains(err.Error(), "pages-1.img") {
		t.Errorf("got %v, want that pages-1.img is not what was sent", err)
	}
}

// References to what was not sent, and memory that nobody wants, end the migration.
func TestRefused(t *testing.T) {
	e := newEnds(t, 1<<20)
	a := newAhead(1<<20, page)
	b := pages(20, 1)
	a.add(b[:page]) // but it is not sent
	if _, err := e.deliver(t, imageOf(t, map[string][]byte{"pages-1.img": b}), a, nil); err == nil {
		t.Error("a page that was not sent was found")
	}
	if err := <-e.failed; !strings.Contains(err.Error(), "refers to") {
		t.Errorf("the target says %v", err)
	}

	e = newEnds(t, 10*page)
	a = newAhead(1<<20, page)
	if err := a.send(e.ctx, &memories{rounds: [][]byte{b}}, e.conn, e.line, func(int64) {}); err == nil {
		t.Error("more was sent ahead than there is room for")
	}
	if err := <-e.failed; !strings.Contains(err.Error(), "room") {
		t.Errorf("the target says %v", err)
	}
}
