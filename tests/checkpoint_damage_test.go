package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// An image that is not as it was made is refused before anything is started; the good one it was copied from is
// restored after all that.
func TestCheckpointDamagedImage(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: transferRate / 6, ClientName: "job"}.Start(t)
	tr.Flows(t)
	dir := harness.TempDir(t)
	good := filepath.Join(dir, "good")
	harness.Checkpoint(t, l.A, "job", good).Output(t)
	tr.Client.Stopped(t)

	flip := func(name string) func(image string) error {
		return func(image string) error {
			name := filepath.Join(image, name)
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(name, b, 0o600)
		}
	}
	for _, tt := range []struct {
		name   string
		harm   func(image string) error
		reason string
	}{
		{"flipped bit of memory", flip("pages-1.img"), "pages-1.img does not match"},
		{"flipped bit of rocks", flip("rocks.msgpack"), "rocks.msgpack does not match"},
		{"flipped bit of manifest", flip("manifest.msgpack"), "manifest.msgpack "},
		{"version", func(image string) error { return patch(image, "manifest.msgpack", 8, 0xff) }, "version|manifest.msgpack "},
		{"truncated", func(image string) error { return os.Truncate(filepath.Join(image, "pages-1.img"), 4096) }, "4096 bytes long"},
		{"missing file", func(image string) error { return os.Remove(filepath.Join(image, "pstree.img")) }, "pstree.img is missing"},
		{"no manifest", func(image string) error { return os.Remove(filepath.Join(image, "manifest.msgpack")) }, "this is no image"},
		{"no image", func(image string) error { return os.RemoveAll(image) }, "no such file"},
		{"another file", func(image string) error { return os.WriteFile(filepath.Join(image, "core-1.img"), nil, 0o600) }, "core-1.img does not belong"},
		{"open to others", func(image string) error { return os.Chmod(filepath.Join(image, "rocks.msgpack"), 0o644) }, "open to others.*chmod"},
		{"folder open to others", func(image string) error { return os.Chmod(image, 0o755) }, "open to others.*chmod"},
		{"somebody else's", func(image string) error { return os.Chown(filepath.Join(image, "rocks.msgpack"), 1, 1) }, "belongs to uid 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := filepath.Join(dir, "bad")
			if out, err := exec.Command("cp", "-a", good, image).CombinedOutput(); err != nil {
				t.Fatalf("copy: %v\n%s", err, out)
			}
			defer os.RemoveAll(image)
			if err := tt.harm(image); err != nil {
				t.Fatal(err)
			}
			refused(t, harness.Restore(t, l.A, image), tt.reason)
			if left := groups(t, l.A); len(left) != 0 {
				t.Errorf("there are groups: %+v", left)
			}
		})
	}
	tr.Client = tr.Client.Back(t, good)
	tr.Flows(t)
	tr.Finish(t)
}

// patch changes one byte of a file.
func patch(image, name string, at int64, to byte) error {
	f, err := os.OpenFile(filepath.Join(image, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte{to}, at)
	return err
}
