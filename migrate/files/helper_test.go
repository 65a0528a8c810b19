package files

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/stream"
)

const token = "0123456789abcdef"

// far is a target whose file system is in a directory.
type far struct {
	tree  Tree
	place string // directory of the migration, outside of it
	r     *Receiver
	conn  *stream.Conn // of the source
	took  chan error   // what the receiver said, when the stream has ended
	link  net.Conn
}

// newFar makes a target with a receiver at the end of a stream.
func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{tree: Tree{t.TempDir()}, place: t.TempDir()}
	f.begin(t)
	return f
}

func (f *far) begin(t *testing.T) {
	t.Helper()
	var err error
	if f.r, err = NewReceiver(f.tree, f.place, token); err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	f.link, f.conn, f.took = here, stream.New(here, here), make(chan error, 1)
	go func() {
		c := stream.New(there, there)
		err := c.Hello()
		for err == nil {
			var frame *stream.Frame
			if frame, err = c.Receive(); err != nil {
				err = nil
				break
			}
			var ours bool
			if ours, err = f.r.Take(frame); err == nil && !ours {
				err = fmt.Errorf("frame of kind %d is not taken", frame.Kind)
			}
		}
		there.Close()
		f.took <- err
	}()
	if err := f.conn.Hello(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
}

// end ends the stream and returns what the receiver said.
func (f *far) end() error {
	f.link.Close()
	return <-f.took
}

// write makes a file, and the directories above it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// content describes all that is in a directory: names, modes, owners and what is in files.
func content(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %o %d:%d", strings.TrimPrefix(path, root), st.Mode, st.Uid, st.Gid)
		switch {
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if len(text) > 100 {
				text = append(bytes.Clone(text[:100]), fmt.Sprintf("... %d", len(text))...)
			}
			fmt.Fprintf(&b, " %d %d %q", st.Ino, st.Mtim.Nano(), text)
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", to)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// group is the manifest of one that has files open, and dir as its working directory.
func group(dir string, open ...string) *image.Manifest {
	m := &image.Manifest{Group: image.Group{Dir: dir}, Files: []image.File{
		{Path: dir, Kind: string(survey.KindDirectory), FD: -1}, {Path: "/usr/bin/env", Kind: string(survey.KindExe), FD: -1},
		{Path: "/etc/passwd", Kind: string(survey.KindRegular), FD: 3}, {Path: "/proc/self/maps", Kind: string(survey.KindRegular), FD: 4},
	}}
	for i, path := range open {
		m.Files = append(m.Files, image.File{Path: path, Kind: string(survey.KindRegular), FD: 5 + i})
	}
	return m
}

// same compares what came with what was sent.
func same(t *testing.T, tree Tree, path string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(tree.Root + path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes came (%v), want %d", path, len(got), err, len(want))
	}
	var a, b unix.Stat_t
	if unix.Lstat(path, &a) != nil || unix.Lstat(tree.Root+path, &b) != nil || a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Mtim != b.Mtim {
		t.Errorf("%s: %o %d:%d %v came, want %o %d:%d %v", path, b.Mode, b.Uid, b.Gid, b.Mtim, a.Mode, a.Uid, a.Gid, a.Mtim)
	}
}
