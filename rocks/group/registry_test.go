package group

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCheckName(t *testing.T) {
	for _, tt := range []struct {
		name string
		ok   bool
	}{
		{"web", true}, {"db-1.example_x", true}, {"7up", true}, {strings.Repeat("x", 64), true},
		{"", false}, {"-k", false}, {".hidden", false}, {"a/b", false}, {"a b", false}, {"é", false},
		{"12345", false}, {strings.Repeat("x", 65), false}, {"a\n", false},
	} {
		if err := CheckName(tt.name); (err == nil) != tt.ok {
			t.Errorf("%q: got %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func TestDirPath(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		uid  int
		want string
	}{
		{nil, 0, "/run/rock"},
		{nil, 1000, "/tmp/rock-1000"},
		{map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/rock"},
		{map[string]string{"XDG_RUNTIME_DIR": "relative"}, 7, "/tmp/rock-7"},
		{map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "ROCK_RUNTIME_DIR": "/x"}, 0, "/x"},
	} {
		if got := dirPath(func(k string) string { return tt.env[k] }, tt.uid); got != tt.want {
			t.Errorf("%v as %d: got %s, want %s", tt.env, tt.uid, got, tt.want)
		}
	}
}

// openDir opens a runtime directory below a temporary one.
func openDir(t *testing.T) *Dir {
	t.Helper()
	d, err := OpenDir(func(string) string { return filepath.Join(t.TempDir(), "new", "run") })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenDirRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(path string) error
	}{
		{"open to others", func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o755)) }},
		{"link", func(p string) error { return os.Symlink("/tmp", p) }},
		{"file", func(p string) error { return os.WriteFile(p, nil, 0o600) }},
	} {
		path := filepath.Join(t.TempDir(), "run")
		if err := tt.make(path); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDir(func(string) string { return path }); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestRegister(t *testing.T) {
	d := openDir(t)
	web, err := d.Register("web", "")
	if err != nil {
		t.Fatal(err)
	}
	// A group that comes back while it lives has its own name: that it lives is what is wrong.
	if _, err := d.Register("web", web.ID); !errors.Is(err, ErrAlive) {
		t.Errorf("same id and name: got %v, want ErrAlive", err)
	}
	if _, err := d.Register("web", ""); !errors.Is(err, ErrNameTaken) {
		t.Errorf("second of the same name: got %v, want %v", err, ErrNameTaken)
	}
	for range 2 { // groups without a name do not get into each other's way
		r, err := d.Register("", "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	if err := web.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := d.Register("web", "")
	if err != nil {
		t.Fatalf("name of a group that has ended: %v", err)
	}
	defer again.Close()
}

// TestStale finds what a supervisor that died has left: its lock is free.
func TestStale(t *testing.T) {
	d := openDir(t)
	dead, err := d.Register("web", "")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.lock.Close()
	if err := os.Mkdir(filepath.Join(d.Path(), draftPrefix+"1"), 0o700); err != nil {
		t.Fatal(err)
	}
	groups, err := d.List(context.Background())
	if err != nil || len(groups) != 0 {
		t.Errorf("got %v (%v), want no groups", groups, err)
	}
	if _, err := os.Stat(dead.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead group's directory: got %v, want it removed", err)
	}
	r, err := d.Register("web", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if drafts, _ := filepath.Glob(filepath.Join(d.Path(), draftPrefix+"*")); len(drafts) != 0 {
		t.Errorf("drafts left: %v", drafts)
	}
}

// TestSilent lists groups whose supervisor lives but does not answer: it has not come to that yet, it hangs, or it is
// about to be gone.
func TestSilent(t *testing.T) {
	d := openDir(t)
	r, err := d.Register("web", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	look := func(state string, want error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		groups, _ := d.List(ctx)
		if len(groups) != 1 || groups[0].ID != r.ID || groups[0].Name != "web" || groups[0].State != state {
			t.Fatalf("got %+v, want the group with id, name and the state %q only", groups, state)
		}
		_, err := groups[0].AskRocks(ctx)
		if !errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNotReady) != (want == ErrNotReady) {
			t.Errorf("its rocks: got %v, want %v", err, want)
		}
	}
	look(Starting, ErrNotReady)
	l, err := listenUnix(r.ControlPath())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	look("", ErrNoAnswer)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	look(Starting, ErrNotReady)
}

// TestGone has a group end with its checkpoint: who asked for that can bring it back as soon as there is an answer.
func TestGone(t *testing.T) {
	d := openDir(t)
	r, err := d.Register("web", "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(r.ControlPath(), fakeGroup{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{Info: Info{ID: r.ID}, socket: r.ControlPath()}
	done := make(chan error, 1)
	go func() {
		_, err := g.Checkpoint(t.Context(), CheckpointOptions{Dir: "/there"}, Talk{})
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("answered (%v) while the group has its place", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := errors.Join(s.Close(), r.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	again, err := d.Register("web", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
}

func TestResolve(t *testing.T) {
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	group := func(id, name string, front, supervisor int) Group {
		return Group{Info: Info{ID: id, Name: name, Front: front, Supervisor: supervisor}}
	}
	groups := []Group{
		group("11aa0000", "web", 0, os.Getpid()),
		group("11ab0000", "11aa", 4242424, 0),
		group("22bb0000", "", 0, 0),
	}
	for _, tt := range []struct {
		what, want string
		err        error
	}{
		{"11aa0000", "11aa0000", nil},
		{"web", "11aa0000", nil},
		{"11aa", "11ab0000", nil}, // a name goes before the beginning of an id
		{"11ab", "11ab0000", nil},
		{"2", "22bb0000", nil},
		{"11", "", ErrAmbiguous},
		{"nothing", "", ErrNoGroup},
		{"4242424", "11ab0000", nil}, // the front
		{strconv.Itoa(child.Process.Pid), "11aa0000", nil},
		{strconv.Itoa(os.Getpid()), "11aa0000", nil},
	} {
		g, err := Resolve(groups, tt.what)
		if !errors.Is(err, tt.err) || g != nil && g.ID != tt.want {
			t.Errorf("%s: got %v (%v), want %s (%v)", tt.what, g, err, tt.want, tt.err)
		}
	}
}
