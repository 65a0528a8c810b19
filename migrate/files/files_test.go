package files

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/stream"
)

// random returns bytes that cannot be compressed.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// old gives a file a time at which nothing is uncertain any more.
func old(t *testing.T) { t.Helper(); time.Sleep(raceTime + 50*time.Millisecond) }

// TestTakeAlong moves files that change meanwhile.
func TestTakeAlong(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	large := random(3*stream.ChunkSize + 1000)
	write(t, at("log"), "one\n")
	write(t, at("deep/er/large"), string(large))
	write(t, at("shrinks"), string(large))
	write(t, at("same"), strings.Repeat("same", 1000))
	write(t, at("empty"), "")
	write(t, at("goes"), "goes")
	write(t, at("in/put/a"), "a")
	write(t, at("in/put/b"), "b")
	write(t, at("closed"), "closed")
	if err := os.Symlink("b", at("in/put/link")); err != nil {
		t.Fatal(err)
	}
	if err := errorsOf(os.Chmod(at("same"), 0o640), os.Chmod(at("deep"), 0o2750), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := errorsOf(os.Chown(at("same"), 12, 34), os.Chown(at("deep"), 5, 6)); err != nil {
			t.Fatal(err)
		}
	}
	old(t)
	f := newFar(t)
	s := NewSender(f.conn, Choice{Paths: []string{"in", at("in/put/a")}})
	open := []string{at("log"), at("deep/er/large"), at("shrinks"), at("same"), at("empty"), at("goes"), at("closed")}
	b, problems := s.Look(group(dir, open...))
	if len(problems) > 0 || len(b.Items) != 9 {
		t.Fatalf("got %+v, %v", b, problems)
	}
	if problems := f.tree.Check(b, f.place, 1<<20); len(problems) > 0 {
		t.Fatalf("cannot come: %v", problems)
	}
	if err := s.Ahead(t.Context(), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	ahead := f.conn.Stats().Sent

	write(t, at("log"), "one\ntwo\n")
	large[stream.ChunkSize+5]++
	write(t, at("deep/er/large"), string(large))
	write(t, at("shrinks"), string(large[:stream.ChunkSize+10]))
	write(t, at("in/put/c"), "c")
	write(t, at("opened"), "opened")
	if err := os.Remove(at("in/put/a")); err != nil {
		t.Fatal(err)
	}
	open = append(slices.DeleteFunc(open, func(p string) bool { return p == at("closed") || p == at("goes") }), at("opened"))
	if err := s.Finish(t.Context(), group(dir, open...)); err != nil {
		t.Fatal(err)
	}
	if again := f.conn.Stats().Sent - ahead; again > 2*stream.ChunkSize {
		t.Errorf("%d bytes were sent again", again)
	}
	if err := f.end(); err != nil {
		t.Fatal(err)
	}
	if err := f.r.Place(); err != nil {
		t.Fatal(err)
	}
	if err := errorsOf(f.r.Close(), f.tree.Settle(f.place)); err != nil {
		t.Fatal(err)
	}
	come := append(open, at("in/put/b"), at("in/put/c"))
	for _, path := range come {
		same(t, f.tree, path)
	}
	if s.Files != len(come) || s.Bytes == 0 {
		t.Errorf("it says %d files, %d bytes", s.Files, s.Bytes)
	}
	if got := content(t, f.tree.Root); strings.Contains(got, prefix) || strings.Contains(got, "closed") || strings.Contains(got, "link") || strings.Contains(got, "/usr") {
		t.Errorf("there is something that should not be:\n%s", got)
	}
	for _, d := range []string{dir, at("deep"), at("in/put")} {
		var a, b unix.Stat_t
		if unix.Stat(d, &a) != nil || unix.Stat(f.tree.Root+d, &b) != nil || a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%s: %o %d:%d, want %o %d:%d", d, b.Mode, b.Uid, b.Gid, a.Mode, a.Uid, a.Gid)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestMappedIsReadAgain is for files whose times do not tell of what is written to them.
func TestMappedIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data")
	write(t, path, strings.Repeat("x", 8192))
	var st unix.Stat_t
	old(t)
	f := newFar(t)
	s := NewSender(f.conn, Choice{})
	m := group(dir)
	m.Files = append(m.Files, image.File{Path: path, Kind: string(survey.KindRegular), FD: -1})
	if _, problems := s.Look(m); len(problems) > 0 {
		t.Fatal(problems)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b, err := unix.Mmap(int(file.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	b[0] = 'y' // the page is writable from now on
	old(t)
	if err := s.Ahead(t.Context(), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	b[1] = 'z'
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if err := errorsOf(s.Finish(t.Context(), m), f.end(), f.r.Place()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.tree.Root + path)
	if err != nil || !bytes.HasPrefix(got, []byte("yzx")) {
		t.Errorf("%.5q came (%v)", got, err)
	}
}

func TestChoiceProblems(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"gone": "gone: no such file", "/proc/cpuinfo": "/proc/cpuinfo cannot come along", "/run": "/run cannot come along", "/dev/null": "cannot come along",
		"/sys/kernel": "cannot come along", "fifo": "fifo is a special file",
	} {
		c := Choice{Paths: []string{path}}.choose(group(dir), false)
		if len(c.problems) != 1 || !strings.Contains(c.problems[0].String(), want) || !strings.HasPrefix(c.problems[0].String(), "--copy-files: ") {
			t.Errorf("%s: got %v, want %q", path, c.problems, want)
		}
	}
}

func TestRemedy(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/data": "bring it there, or use --copy-files", "/usr/lib/locale/locale-archive": "install the same there, or use --copy-files=/usr/lib/locale/locale-archive",
		"/proc/1/maps": "", "/run/x": "", "/dev/shm/x": "bring it there, or use --copy-files",
	} {
		if got := Remedy(survey.File{Path: path, Kind: survey.KindRegular}); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := Remedy(survey.File{Path: "/srv/lib.so", Kind: survey.KindLib}); got != "" {
		t.Errorf("a library: got %q", got)
	}
}
