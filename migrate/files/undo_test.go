package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// arrive has a few files come to a target on which some are there already. It returns the source's directory.
func arrive(t *testing.T) (f *far, dir string) {
	t.Helper()
	dir = t.TempDir()
	var open []string
	for _, name := range []string{"a", "b", "new/er/c", "new/d", "e"} {
		open = append(open, filepath.Join(dir, name))
		write(t, open[len(open)-1], "new "+name)
	}
	f = newFar(t)
	write(t, f.tree.Root+open[0], "old a")
	write(t, f.tree.Root+open[4], "old e")
	write(t, f.tree.Root+filepath.Join(dir, "other"), "other")
	if err := os.Link(f.tree.Root+open[4], f.tree.Root+filepath.Join(dir, "link to e")); err != nil {
		t.Fatal(err)
	}
	s := NewSender(f.conn, Choice{})
	if _, problems := s.Look(group(dir, open...)); len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := errorsOf(s.Ahead(t.Context(), func(int64) {}), s.Finish(t.Context(), group(dir, open...)), f.end()); err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// TestUndo ends it behind each step, as an error does and as the death of the process does, and puts everything back.
func TestUndo(t *testing.T) {
	for _, simple := range []bool{false, true} {
		steps := 0
		for undoneBehind(t, steps, simple) {
			steps++
		}
		if steps != 9 { // two directories, two files that are replaced in two steps, three that are put
			t.Errorf("it had %d steps", steps)
		}
	}
}

// undoneBehind ends it behind the step n, if there is one.
func undoneBehind(t *testing.T, n int, simple bool) bool {
	f, _ := arrive(t)
	want := withoutHidden(content(t, f.tree.Root))
	what := ""
	f.r.simple = simple
	f.r.step = func(step string) error {
		if what = step; n == 0 {
			return errors.New("the end")
		}
		n--
		return nil
	}
	err := f.r.Place()
	if err == nil {
		return false
	}
	if !strings.HasSuffix(err.Error(), "the end") {
		t.Fatalf("behind %s: %v", what, err)
	}
	for range 2 {
		if err := f.tree.Undo(f.place); err != nil {
			t.Fatalf("behind %s: %v", what, err)
		}
	}
	if got := content(t, f.tree.Root); got != want {
		t.Errorf("behind %s: there is\n%s\nwant\n%s", what, got, want)
	}
	if _, err := os.Stat(filepath.Join(f.place, LedgerFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("behind %s: the list is still there: %v", what, err)
	}
	if err := f.r.Close(); err != nil {
		t.Error(err)
	}
	return true
}

// TestUndoForWhoHasItOpen is for a target that sees the same files as the source, which goes on.
func TestUndoForWhoHasItOpen(t *testing.T) {
	f, dir := arrive(t)
	path := f.tree.Root + dir + "/a"
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := errorsOf(f.r.Place(), f.r.Close(), f.tree.Undo(f.place)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd())); err != nil || got != path {
		t.Errorf("the file that is open is %q now (%v), want %q", got, err, path)
	}
}

// withoutHidden leaves out the files that have come and are not in their places.
func withoutHidden(content string) string {
	var lines []string
	for l := range strings.Lines(content) {
		if !strings.Contains(l, prefix) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "")
}

// TestUndoAfterAll puts everything back when all was in its place, and before anything was.
func TestUndoAfterAll(t *testing.T) {
	for _, place := range []bool{true, false} {
		f, _ := arrive(t)
		want := withoutHidden(content(t, f.tree.Root))
		if place {
			if err := f.r.Place(); err != nil {
				t.Fatal(err)
			}
		}
		if err := errorsOf(f.r.Close(), f.tree.Undo(f.place)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, f.tree.Root); got != want {
			t.Errorf("there is\n%s\nwant\n%s", got, want)
		}
	}
}

// TestUndoSpares leaves alone what others have done meanwhile.
func TestUndoSpares(t *testing.T) {
	f, dir := arrive(t)
	if err := errorsOf(f.r.Place(), f.r.Close()); err != nil {
		t.Fatal(err)
	}
	root := f.tree.Root + dir
	replace := func(name, text string) {
		t.Helper()
		write(t, root+"/their", text)
		if err := os.Rename(root+"/their", root+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	replace("a", "their a") // there was one before
	replace("b", "their b") // there was none
	write(t, root+"/new/their", "their file")
	err := f.tree.Undo(f.place)
	if err == nil || !strings.Contains(err.Error(), dir+"/a was changed by somebody meanwhile; what was there before is "+dir+"/"+prefix) {
		t.Errorf("got %v", err)
	}
	for name, want := range map[string]string{"a": "their a", "b": "their b", "new/their": "their file", "e": "old e"} {
		if got, err := os.ReadFile(root + "/" + name); string(got) != want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(root + "/new/er"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory is left: %v", err)
	}
	// What was there is not lost.
	old, _ := filepath.Glob(root + "/" + prefix + "*.old")
	if len(old) != 1 {
		t.Fatalf("got %v", old)
	}
	if got, _ := os.ReadFile(old[0]); string(got) != "old a" {
		t.Errorf("got %q", got)
	}
}

// TestUndoCutOff is for a list whose last line was not written to its end.
func TestUndoCutOff(t *testing.T) {
	f, _ := arrive(t)
	want := withoutHidden(content(t, f.tree.Root))
	l, err := os.OpenFile(filepath.Join(f.place, LedgerFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(l, `{"do":"make","path":"/et`)
	if err := errorsOf(l.Close(), f.r.Close(), f.tree.Undo(f.place)); err != nil {
		t.Fatal(err)
	}
	if got := content(t, f.tree.Root); got != want {
		t.Errorf("there is\n%s\nwant\n%s", got, want)
	}
}

// TestSettle removes what was there, and can be called again.
func TestSettle(t *testing.T) {
	f, dir := arrive(t)
	if err := errorsOf(f.r.Place(), f.r.Close(), f.tree.Settle(f.place), f.tree.Settle(f.place), f.tree.Undo(f.place)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "new a", "b": "new b", "new/er/c": "new new/er/c", "e": "new e", "other": "other", "link to e": "old e"} {
		if got, err := os.ReadFile(f.tree.Root + dir + "/" + name); string(got) != want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, want)
		}
	}
	if got := content(t, f.tree.Root); strings.Contains(got, prefix) {
		t.Errorf("something is left:\n%s", got)
	}
}

// TestPathsOfAnyBytes is for names that are no text.
func TestPathsOfAnyBytes(t *testing.T) {
	for _, path := range []string{"/a b/%41\xff\n\"", "/\\x", "/*", "/?a#b;c:d"} {
		b, err := text(path).MarshalText()
		var back text
		if err := errorsOf(err, back.UnmarshalText(b)); err != nil || string(back) != path {
			t.Errorf("%q became %q, then %q (%v)", path, b, back, err)
		}
	}
}

// TestLinksAreNotFollowed has links and other things where directories and files are to be: before anything comes, and
// put there when it is on its way.
func TestLinksAreNotFollowed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		attack func(t *testing.T, root, outside string) // root is the directory of the files on the target
		want   string
	}{
		{"a directory is a link", func(t *testing.T, root, outside string) { link(t, outside, root+"/new") }, "/new is a symbolic link here"},
		{"a directory above is a link", func(t *testing.T, root, outside string) {
			if err := os.RemoveAll(root); err != nil {
				t.Fatal(err)
			}
			link(t, outside, root)
		}, " is a symbolic link here"},
		{"a file is a link", func(t *testing.T, root, outside string) { link(t, outside+"/victim", root+"/b") }, "/b is a symbolic link here"},
		{"a directory is a file", func(t *testing.T, root, _ string) { write(t, root+"/new", "a file") }, "/new is a file here"},
		{"a file is a directory", func(t *testing.T, root, _ string) { write(t, root+"/b/x", "x") }, "/b is a directory here"},
		{"a file is a FIFO", func(t *testing.T, root, _ string) {
			if err := unix.Mkfifo(root+"/b", 0o600); err != nil {
				t.Fatal(err)
			}
		}, "/b is a special file here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outside := t.TempDir()
			write(t, outside+"/victim", "victim")
			untouched := content(t, outside)
			f, dir := arrive(t)
			tt.attack(t, f.tree.Root+dir, outside)
			attacked := content(t, f.tree.Root)

			err := f.r.Place()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			_ = f.r.Close()
			if err := f.tree.Undo(f.place); err != nil && !strings.Contains(err.Error(), "symbolic link") {
				t.Errorf("undo: %v", err)
			}
			if !strings.Contains(tt.name, "above") {
				if got, want := content(t, f.tree.Root), withoutHidden(attacked); got != want {
					t.Errorf("there is\n%s\nwant\n%s", got, want)
				}
			}
			if got := content(t, outside); got != untouched {
				t.Errorf("outside there is\n%s\nwant\n%s", got, untouched)
			}

			// The same, found before.
			b := bundleOf(dir)
			if problems := f.tree.Check(b, f.place, 0); len(problems) != 1 || !strings.Contains(problems[0].String(), tt.want) {
				t.Errorf("beforehand: got %v, want %q", problems, tt.want)
			}
		})
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// bundleOf is what arrive sends.
func bundleOf(dir string) *Bundle {
	var open []string
	for _, name := range []string{"a", "b", "new/er/c", "new/d", "e"} {
		open = append(open, filepath.Join(dir, name))
	}
	b, _ := NewSender(nil, Choice{}).Look(group(dir, open...))
	return b
}
