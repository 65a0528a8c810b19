package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/migrate/stream"
)

func TestCheck(t *testing.T) {
	tree, place := Tree{t.TempDir()}, t.TempDir()
	write(t, tree.Root+"/srv/there", "there")
	item := func(path string, size int64) Item { return Item{firstID, path, size} }
	for _, tt := range []struct {
		name   string
		b      Bundle
		memory int64
		want   []string
	}{
		{"nothing", Bundle{}, 1 << 60, nil},
		{"what fits", Bundle{[]Folder{{Path: "/srv"}, {Path: "/srv/new"}}, []Item{item("/srv/there", 5), item("/srv/new/file", 100)}}, 0, nil},
		{"too large", Bundle{nil, []Item{item("/srv/a", 1<<50), item("/srv/b", 1<<50)}}, 0, []string{"MiB are needed for files: make room there"}},
		{"too large beside memory", Bundle{nil, []Item{item("/srv/a", 1)}}, 1 << 50, []string{"MiB are needed for files, and for memory: make room there"}},
		{"not the user's", Bundle{[]Folder{{Path: "/run/x"}}, []Item{item("/proc/sys/kernel/core_pattern", 1), item("/srv/../etc/passwd", 1), item("srv", 1)}}, 0,
			[]string{"/run/x cannot come here", "/proc/sys/kernel/core_pattern cannot come here", "/srv/../etc/passwd cannot come here", "srv cannot come here"}},
	} {
		problems := tree.Check(&tt.b, place, tt.memory)
		if len(problems) != len(tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, problems, tt.want)
			continue
		}
		for i, p := range problems {
			if !strings.Contains(p.String(), tt.want[i]) {
				t.Errorf("%s: got %v, want %q", tt.name, p, tt.want[i])
			}
		}
	}
}

// TestCheckReadOnly needs a file system that is read-only.
func TestCheckReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	tree := Tree{t.TempDir()}
	at := tree.Root + "/ro"
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", at, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skip("mount:", err)
	}
	defer unix.Unmount(at, unix.MNT_DETACH)
	problems := tree.Check(&Bundle{[]Folder{{Path: "/ro"}, {Path: "/ro/new"}}, []Item{{firstID, "/ro/file", 1}, {firstID + 1, "/ro/new/file", 1}}}, t.TempDir(), 0)
	if len(problems) != 2 || !strings.Contains(problems[0].String(), "/ro/new is on a file system here that is read-only: mount it writable") ||
		!strings.Contains(problems[1].String(), "/ro/file is on") {
		t.Errorf("got %v", problems)
	}
}

// TestReceiverRefuses has a source that says what none would say.
func TestReceiverRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(c *stream.Conn) error
		want string
	}{
		{"an improper path", func(c *stream.Conn) error { return c.Send(KindItem, Item{firstID, "/srv/../etc/x", 1}) }, "may not send"},
		{"a relative path", func(c *stream.Conn) error { return c.Send(KindItem, Item{firstID, "x", 1}) }, "may not send"},
		{"a path of the kernel", func(c *stream.Conn) error { return c.Send(KindItem, Item{firstID, "/proc/x", 1}) }, "may not send"},
		{"two files of one path", func(c *stream.Conn) error {
			return errorsOf(c.Send(KindItem, Item{firstID, "/x", 1}), c.Send(KindItem, Item{firstID + 1, "/x", 1}))
		}, "may not send"},
		{"a part of no file", func(c *stream.Conn) error { return chunk(c, firstID, 0, "x") }, "did not begin"},
		{"the end of no file", func(c *stream.Conn) error { return c.Send(KindEnd, End{ID: firstID}) }, "did not begin"},
		{"a part at an odd place", func(c *stream.Conn) error {
			return errorsOf(c.Send(KindItem, Item{firstID, "/x", 1}), chunk(c, firstID, 7, "x"))
		}, "at 7, where none is"},
		{"a part far away", func(c *stream.Conn) error {
			return errorsOf(c.Send(KindItem, Item{firstID, "/x", 1}), chunk(c, firstID, 1<<60, "x"))
		}, "where none is"},
		{"too little", func(c *stream.Conn) error {
			return errorsOf(c.Send(KindItem, Item{firstID, "/x", 1}), c.Send(KindEnd, End{ID: firstID, Size: 5}))
		}, "/x has not come whole"},
		{"something else", func(c *stream.Conn) error {
			return errorsOf(c.Send(KindItem, Item{firstID, "/x", 1}), chunk(c, firstID, 0, "x"), c.Send(KindEnd, End{ID: firstID, Size: 1, Sum: 7}))
		}, "/x is not what the other host sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFar(t)
			_ = tt.send(f.conn) // it may be refused before all is sent
			if err := f.end(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err := f.r.Place(); err == nil {
				t.Error("files were put in their places that are not whole")
			}
			if err := errorsOf(f.r.Close(), f.tree.Undo(f.place)); err != nil {
				t.Error(err)
			}
			if got := content(t, f.tree.Root); got != "" {
				t.Errorf("something is left: %s", got)
			}
		})
	}
}

func chunk(c *stream.Conn, id uint32, offset int64, text string) error {
	s := c.NewSender(id)
	return errorsOf(s.Send(context.Background(), offset, []byte(text)), s.Finish(context.Background()))
}

// TestNotAllHasCome refuses a list with a file that was not ended.
func TestNotAllHasCome(t *testing.T) {
	f := newFar(t)
	write(t, f.tree.Root+"/x", "old")
	before := content(t, f.tree.Root)
	err := errorsOf(f.conn.Send(KindItem, Item{firstID, "/x", 1}), chunk(f.conn, firstID, 0, "new"),
		f.conn.Send(KindList, List{Items: []uint32{firstID}}), f.end())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.r.Place(); err == nil || !strings.Contains(err.Error(), "has not come whole") {
		t.Errorf("got %v", err)
	}
	if err := errorsOf(f.r.Close(), f.tree.Undo(f.place)); err != nil {
		t.Fatal(err)
	}
	if got := content(t, f.tree.Root); got != before {
		t.Errorf("there is %s, want %s", got, before)
	}
	if _, err := os.Stat(filepath.Join(f.place, LedgerFile)); err == nil {
		t.Error("the list is still there")
	}
}
