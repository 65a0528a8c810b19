package freeze_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/ckpt/freeze"
	"rock/rocks/interpose/seccomptest"
)

// Everything that descends from the first process is inside from birth on, and nothing of ours.
func TestBornInside(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		before := membership(t)
		for range 10 {
			// The very first thing that each process does is to say where it is.
			p := start(t, g, "/bin/sh", "-c", `cat /proc/self/cgroup; echo; all=$$; for i in 1 2 3 4 5; do sleep 1000 & all="$all $!"; done; echo $all; wait`)
			inside := false
			for line := p.line(); line != ""; line = p.line() {
				inside = inside || strings.HasSuffix(line, "/"+filepath.Base(g.Path()))
			}
			if !inside {
				t.Error("a child was not born inside")
			}
			list := pids(t, g)
			children := strings.Fields(p.line())
			if len(children) != 6 {
				t.Fatalf("children %v", children)
			}
			for _, child := range children {
				if pid, _ := strconv.Atoi(child); !slices.Contains(list, pid) && !slices.Contains(pids(t, g), pid) {
					t.Errorf("process %d is not in %v", pid, list)
				}
			}
		}
		if after := membership(t); after != before {
			t.Errorf("this process is in\n%s, was in\n%s", after, before)
		}
		if slices.Contains(pids(t, g), os.Getpid()) {
			t.Error("this process is in the group")
		}
	})
}

// membership returns the cgroups of this thread.
func membership(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAroundFailure(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before, why := membership(t), errors.New("no")
		sys := &unix.SysProcAttr{}
		if err := g.Around(sys, func() error { return why }); err != why {
			t.Errorf("got %v, want %v", err, why)
		}
		if membership(t) != before || sys.UseCgroupFD {
			t.Error("not as before")
		}
	})
}

func TestKill(t *testing.T) {
	tests := []struct {
		name, script string
		frozen       bool
	}{
		{"running", `trap "" TERM; sleep 1000 & echo; wait`, false},
		{"frozen", `sleep 1000 & echo; wait`, true},
		{"stopped", `echo; kill -STOP $$`, true},
		{"forking", `for i in 1 2 3 4; do (while :; do (:) & wait; done) & done; echo; wait`, false},
		{"forking and frozen", `for i in 1 2 3 4; do (while :; do (:) & wait; done) & done; echo; wait`, true},
	}
	each(t, func(t *testing.T, version int) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				g := newGroup(t, version)
				start(t, g, "/bin/sh", "-c", tt.script).line()
				if tt.frozen {
					mustFreeze(t, g)
				}
				if err := g.Kill(patience(t)); err != nil {
					t.Fatal(err)
				}
				if left := pids(t, g); len(left) > 0 {
					t.Errorf("processes %v are left", left)
				}
				if frozen, err := g.Frozen(); err != nil || frozen {
					t.Errorf("frozen %v, %v after the kill", frozen, err)
				}
				for range 2 {
					if err := g.Remove(); err != nil {
						t.Error(err)
					}
				}
				if _, err := g.Pids(); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("processes of a removed cgroup: %v", err)
				}
			})
		}
	})
}

// A program makes cgroups inside of its own.
func TestNested(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		c, path := newCounter(t)
		p := startProgram(t, g, "count", path)
		inner := filepath.Join(g.Path(), "a", "b")
		if err := os.MkdirAll(inner, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(fmt.Sprint(p.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
		if got := pids(t, g); !slices.Equal(got, []int{p.Process.Pid}) {
			t.Errorf("processes %v, want %d", got, p.Process.Pid)
		}
		c.counts(t)
		mustFreeze(t, g)
		was := c.get()
		for n := 0; n < 100_000; n++ {
			if c.get() != was {
				t.Fatal("it counts while frozen")
			}
		}
		mustThaw(t, g)
		c.counts(t)

		// One that is frozen by itself stays so, and can be killed nevertheless.
		own, err := freeze.Open(inner)
		if err != nil {
			t.Fatal(err)
		}
		mustFreeze(t, own)
		mustFreeze(t, g)
		if err := g.Thaw(patience(t)); err != nil {
			t.Fatal(err)
		}
		if frozen, err := own.Frozen(); err != nil || !frozen {
			t.Errorf("inner one frozen %v, %v", frozen, err)
		}
		if err := g.Kill(patience(t)); err != nil {
			t.Fatal(err)
		}
		if err := g.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(g.Path()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("cgroup after removal: %v", err)
		}
	})
}

func TestRemoveBusy(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		start(t, g, "/bin/sleep", "1000")
		err := g.Remove()
		if e, ok := errors.AsType[*freeze.Error](err); !ok || !errors.Is(err, unix.EBUSY) || e.Remedy == "" {
			t.Errorf("remove with a process in it: %v", err)
		}
	})
}

func TestNewTwice(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		_, err := freeze.NewVersion(filepath.Base(g.Path()), version)
		if e, ok := errors.AsType[*freeze.Error](err); !ok || !errors.Is(err, fs.ErrExist) || e.Path != g.Path() {
			t.Errorf("made a second time: %v", err)
		}
	})
}

func TestNewChooses(t *testing.T) {
	best := 0
	each(t, func(_ *testing.T, version int) { best = version })
	g, err := freeze.New(groupName(t))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	if g.Version() != best {
		t.Errorf("version %d, want %d", g.Version(), best)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "/a", "../a", "a\nb"} {
		for version := range 4 {
			if g, err := freeze.NewVersion(name, version); err == nil {
				t.Errorf("made %q", g.Path())
				_ = g.Remove()
			}
		}
	}
}

func TestUnprivileged(t *testing.T) {
	if !seccomptest.IsNobody() {
		each(t, func(*testing.T, int) {}) // are there any
		seccomptest.AsNobody(t, "^TestUnprivileged$")
		return
	}
	g, err := freeze.New("rock-test")
	if err == nil {
		_ = g.Remove()
		t.Fatal("made without privileges")
	}
	e, ok := errors.AsType[*freeze.Error](err)
	if !ok || e.Remedy == "" || !(errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line with a remedy", err)
	}
	t.Log(err)
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	paths := []string{"", file, t.TempDir(), filepath.Join(t.TempDir(), "none"), "/", "/proc"}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "cgroup" || f[2] == "cgroup2" {
			paths = append(paths, f[1]+"/cgroup.procs")
		}
	}
	for _, path := range paths {
		g, err := freeze.Open(path)
		if e, ok := errors.AsType[*freeze.Error](err); !ok {
			t.Errorf("opened %q: %v, %v", path, g, err)
		} else if filepath.IsAbs(path) && e.Path != path {
			t.Errorf("error about %q, want %q", e.Path, path)
		}
	}
}
