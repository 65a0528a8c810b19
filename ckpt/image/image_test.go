package image

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOpenAndVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	commit(t, dir, &Manifest{Rock: "1"})
	i := open(t, dir)
	if i.Dir() != dir || !is(dir, i.File()) {
		t.Errorf("Dir and File are of %s and %s", i.Dir(), i.File().Name())
	}
	if b, err := i.Rocks(); err != nil || string(b) != "state" {
		t.Errorf("Rocks: got %q, %v", b, err)
	}
	want := int64(0)
	for _, b := range files {
		want += int64(len(b))
	}
	var before int64
	err := i.Verify(t.Context(), func(done, total int64) {
		if done < before || total != want {
			t.Errorf("progress: %d of %d after %d, want %d", done, total, before, want)
		}
		before = done
	})
	if err != nil || before != want {
		t.Errorf("Verify: %v after %d of %d bytes", err, before, want)
	}
	if err := i.Verify(cancelled(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify cancelled: got %v", err)
	}
}

// change writes a byte into a file of an image.
func change(t *testing.T, dir, name string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{'#'}, offset); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyFinds changes a byte here and there; Open does not see it.
func TestVerifyFinds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset int64
	}{
		{"core-7.img", 3}, {RocksFile, 0}, {"pages-1.img", 0}, {"pages-1.img", pieceSize - 1},
		{"pages-1.img", pieceSize}, {"pages-1.img", 2*pieceSize + 4095},
	} {
		dir := filepath.Join(t.TempDir(), "one")
		commit(t, dir, &Manifest{})
		i := open(t, dir)
		change(t, dir, tt.name, tt.offset)
		var corrupt *CorruptError
		if err := i.Verify(t.Context(), nil); !errors.As(err, &corrupt) || corrupt.File != tt.name {
			t.Errorf("%s at %d: got %v", tt.name, tt.offset, err)
		}
		if _, err := i.Rocks(); (err != nil) != (tt.name == RocksFile) {
			t.Errorf("%s at %d: Rocks: %v", tt.name, tt.offset, err)
		}
	}
	t.Run("truncated meanwhile", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "one")
		commit(t, dir, &Manifest{})
		i := open(t, dir)
		if err := os.Truncate(filepath.Join(dir, "pages-1.img"), pieceSize); err != nil {
			t.Fatal(err)
		}
		var corrupt *CorruptError
		if err := i.Verify(t.Context(), nil); !errors.As(err, &corrupt) || corrupt.File != "pages-1.img" {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	type spoil func(dir string) error
	for _, tt := range []struct {
		name  string
		spoil spoil
		file  string
		want  string
	}{
		{"a file less", func(d string) error { return os.Remove(d + "/core-7.img") }, "core-7.img", "is missing"},
		{"a file more", func(d string) error { return os.WriteFile(d+"/x", nil, 0o600) }, "x", "does not belong"},
		{"a longer file", func(d string) error { return os.Truncate(d+"/core-7.img", 5) }, "core-7.img", "is 5 bytes long, not 4"},
		{"a directory", func(d string) error { return os.Mkdir(d+"/x", 0o700) }, "x", "no regular file"},
		{"a link", func(d string) error {
			return errors.Join(os.Rename(d+"/core-7.img", d+".away"), os.Symlink(d+".away", d+"/core-7.img"))
		}, "core-7.img", "no regular file"},
		{"a FIFO", func(d string) error { return unix.Mkfifo(d+"/x", 0o600) }, "x", "no regular file"},
		{"no manifest", func(d string) error { return os.Remove(d + "/" + ManifestFile) }, ManifestFile, "is missing"},
		{"an empty manifest", func(d string) error { return os.Truncate(d+"/"+ManifestFile, 0) }, ManifestFile, "no manifest"},
		{"a short manifest", func(d string) error { return os.Truncate(d+"/"+ManifestFile, 100) }, ManifestFile, "76 bytes behind its header"},
		{"a huge manifest", func(d string) error { return os.Truncate(d+"/"+ManifestFile, 1<<40) }, ManifestFile, "at most"},
	} {
		dir := filepath.Join(t.TempDir(), "one")
		commit(t, dir, &Manifest{})
		if err := tt.spoil(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.File != tt.file || !strings.Contains(corrupt.What, tt.want) {
			t.Errorf("%s: got %v, want %s, %q", tt.name, err, tt.file, tt.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: got %v", err)
	}
}

func TestOpenRefusesAccess(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  fs.FileMode
		chown bool // to another user
	}{
		{".", 0o701, false}, {".", 0o710, false}, {RocksFile, 0o604, false}, {"core-7.img", 0o620, false},
		{ManifestFile, 0o640, false}, {".", 0o700, true}, {ManifestFile, 0o600, true},
	} {
		dir := filepath.Join(t.TempDir(), "one")
		commit(t, dir, &Manifest{})
		if err := os.Chmod(filepath.Join(dir, tt.name), tt.mode); err != nil {
			t.Fatal(err)
		}
		if tt.chown {
			if os.Geteuid() != 0 {
				if os.Getenv("ROCK_TEST_STRICT") == "1" {
					t.Fatal("needs root")
				}
				continue
			}
			if err := os.Chown(filepath.Join(dir, tt.name), 12345, -1); err != nil {
				t.Fatal(err)
			}
		}
		var access *AccessError
		if _, err := Open(dir); !errors.As(err, &access) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s with %v: got %v", tt.name, tt.mode, err)
		}
	}
}

func TestClaim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	commit(t, dir, &Manifest{})
	i := open(t, dir)
	if c, err := i.Claimed(); c != nil || err != nil {
		t.Errorf("unclaimed: got %v, %v", c, err)
	}
	if err := i.Unclaim(); err != nil {
		t.Errorf("unclaim what is not claimed: %v", err)
	}
	claim := Claim{When: time.Unix(1_700_000_000, 0).UTC(), Host: "beta", Group: "00c0ffee"}
	for range 2 {
		if err := i.Claim(claim); err != nil {
			t.Fatal(err)
		}
		other := open(t, dir) // a claim does not make it corrupt
		var claimed *ClaimedError
		if err := other.Claim(Claim{Host: "gamma"}); !errors.As(err, &claimed) || claimed.Claim != claim {
			t.Fatalf("second claim: got %v", err)
		}
		for _, part := range []string{"beta", "00c0ffee", claim.When.Local().Format(time.DateTime)} {
			if !strings.Contains(claimed.Error(), part) {
				t.Errorf("%q lacks %s", claimed, part)
			}
		}
		if c, err := other.Claimed(); err != nil || *c != claim {
			t.Errorf("Claimed: got %v, %v", c, err)
		}
		if err := other.Unclaim(); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestClaimCut is for one who died between making the file and writing it.
func TestClaimCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	commit(t, dir, &Manifest{})
	i := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, ClaimFile), []byte(`{"when":`), 0o600); err != nil {
		t.Fatal(err)
	}
	var claimed *ClaimedError
	if err := i.Claim(Claim{Host: "beta"}); !errors.As(err, &claimed) || claimed.Claim != (Claim{}) {
		t.Errorf("got %v", err)
	}
}

func TestClaimReadOnly(t *testing.T) {
	needRoot(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "one")
	commit(t, dir, &Manifest{})
	if err := unix.Mount(parent, parent, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(parent, unix.MNT_DETACH) })
	if err := unix.Mount("", parent, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	i := open(t, dir)
	defer i.Close()
	if err := i.Claim(Claim{}); !errors.Is(err, unix.EROFS) {
		t.Errorf("got %v, want %v", err, unix.EROFS)
	}
	if c, err := i.Claimed(); c != nil || err != nil {
		t.Errorf("Claimed: got %v, %v", c, err)
	}
}

// needRoot skips without it.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("ROCK_TEST_STRICT") == "1":
		t.Fatal("needs root")
	default:
		t.Skip("needs root")
	}
}
