package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "one")
	d := draft(t, dir)
	if filepath.Dir(d.Path()) != filepath.Dir(dir) || !is(d.Path(), d.File()) {
		t.Errorf("the draft of %s is at %s", dir, d.Path())
	}
	// As CRIU does, by the directory and with its own mode.
	fd, err := unix.Openat(int(d.File().Fd()), "core-7.img", unix.O_WRONLY|unix.O_CREAT, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := d.Write(RocksFile, []byte("state")); err != nil {
		t.Fatal(err)
	}
	var last, total int64
	m := &Manifest{Rock: "1"}
	if err := d.Commit(t.Context(), m, func(d, n int64) { last, total = d, n }); err != nil {
		t.Fatal(err)
	}
	if last != 5 || total != 5 {
		t.Errorf("progress ended with %d of %d, want 5 of 5", last, total)
	}
	if m.Created.IsZero() || len(m.Sums) != 2 {
		t.Errorf("the manifest was not completed: %+v", m)
	}
	if err := d.Abandon(); err != nil {
		t.Errorf("Abandon after Commit: %v", err)
	}
	if err := d.Commit(t.Context(), m, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Commit: got %v, want %v", err, os.ErrClosed)
	}
	wantNames(t, filepath.Dir(dir), "one")
	wantNames(t, dir, "core-7.img", ManifestFile, RocksFile)
	for _, name := range append(names(t, dir), ".") {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&^0o100 != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	i := open(t, dir)
	if i.Manifest().Rock != "1" {
		t.Errorf("the manifest is another: %+v", i.Manifest())
	}
}

func TestCommitIntoEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	commit(t, link, &Manifest{})
	open(t, dir)
	open(t, link)
}

// TestCommitFails lets Commit fail in each way, and nothing must be left.
func TestCommitFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, d *Draft, dir string)
		want  string
	}{
		{"without rocks", func(t *testing.T, d *Draft, _ string) { d.root.Remove(RocksFile) }, "does not list rocks.msgpack"},
		{"with a directory", func(t *testing.T, d *Draft, _ string) { d.root.Mkdir("sub", 0o700) }, "sub is no regular file"},
		{"with a link", func(t *testing.T, d *Draft, _ string) { d.root.Symlink(RocksFile, "parent") }, "parent is no regular file"},
		{"with a manifest", func(t *testing.T, d *Draft, _ string) { d.root.WriteFile(ManifestFile, nil, 0o600) }, "not allowed"},
		{"with the draft gone", func(t *testing.T, d *Draft, _ string) { os.RemoveAll(d.path) }, "no such file"},
		{"with an image come there", func(t *testing.T, d *Draft, dir string) { commit(t, dir, &Manifest{}) }, "exists already"},
		{"with a file come there", func(t *testing.T, d *Draft, dir string) { os.WriteFile(dir, nil, 0o600) }, "exists already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "one")
			d := draft(t, dir)
			if err := d.Write(RocksFile, nil); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, d, dir)
			err := d.Commit(t.Context(), &Manifest{}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			for _, name := range names(t, filepath.Dir(dir)) {
				if name != "one" || !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		parent := t.TempDir()
		d := draft(t, filepath.Join(parent, "one"))
		if err := d.Write(RocksFile, nil); err != nil {
			t.Fatal(err)
		}
		if err := d.Commit(cancelled(), &Manifest{}, nil); err == nil {
			t.Error("a cancelled context was ignored")
		}
		wantNames(t, parent)
	})
}

func TestCreateRefuses(t *testing.T) {
	full, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, name := range []string{filepath.Join(full, "x"), file} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]error{
		full:                      fs.ErrExist,
		file:                      fs.ErrExist,
		filepath.Join(file, "in"): syscall.ENOTDIR,
	} {
		d, err := Create(dir)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", dir, err, want)
		}
		if err == nil {
			d.Abandon()
		}
	}
	wantNames(t, full, "x")
}

func TestCreateRemovesDead(t *testing.T) {
	parent := t.TempDir()
	for _, dir := range []string{".one.draft-1-2", ".two.draft-1-2", ".one.draft"} {
		if err := os.MkdirAll(filepath.Join(parent, dir, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	alive := draft(t, filepath.Join(parent, "one"))
	again := draft(t, filepath.Join(parent, "one"))
	wantNames(t, again.Path())
	wantNames(t, alive.Path())
	if _, err := os.Stat(filepath.Join(parent, ".one.draft-1-2")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead draft is left: %v", err)
	}
	for range 2 {
		if err := errors.Join(alive.Abandon(), again.Abandon()); err != nil {
			t.Error(err)
		}
	}
	wantNames(t, parent, ".one.draft", ".two.draft-1-2")
}

func TestWriteRefuses(t *testing.T) {
	parent := t.TempDir()
	d := draft(t, filepath.Join(parent, "one"))
	for _, name := range []string{"", ".", "..", "a/b", "../a", "/a", "a\x00b", ManifestFile, ClaimFile, strings.Repeat("a", 256)} {
		if err := d.Write(name, nil); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if err := d.Write("a", nil); err != nil {
		t.Error(err)
	}
	if err := d.Write("a", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: got %v, want %v", err, fs.ErrExist)
	}
	wantNames(t, d.Path(), "a")
	if err := d.Abandon(); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("b", nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Abandon: got %v, want %v", err, os.ErrClosed)
	}
	wantNames(t, parent)
}
