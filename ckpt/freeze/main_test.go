package freeze_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/ckpt/freeze"
	"rock/rocks/interpose/seccomptest"
)

func TestMain(m *testing.M) {
	seccomptest.Main(m, map[string]func(){
		"count": progCount, "vfork": progVfork, "accept": progAccept, "self": progSelf,
	})
}

// each runs a test for each version that there is.
func each(t *testing.T, f func(t *testing.T, version int)) {
	if testing.Short() && !seccomptest.Strict() {
		t.Skip("makes cgroups: not when -short")
	}
	seccomptest.NeedRoot(t)
	ran := false
	for version := 1; version <= 2; version++ {
		g, err := freeze.NewVersion(groupName(t), version)
		if err != nil {
			t.Logf("no version %d here: %v", version, err)
			continue
		}
		if err := g.Remove(); err != nil {
			t.Fatal(err)
		}
		ran = true
		t.Run(fmt.Sprint("v", version), func(t *testing.T) { f(t, version) })
	}
	switch {
	case ran:
	case seccomptest.Strict():
		t.Fatal("no cgroup can be made, and ROCK_TEST_STRICT=1 forbids to skip")
	default:
		t.Skip("no cgroup can be made")
	}
}

var groups atomic.Int64

func groupName(t *testing.T) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("rock-%s-%d-%d", name, os.Getpid(), groups.Add(1))
}

// newGroup makes a group that is killed and removed at the end.
func newGroup(t *testing.T, version int) *freeze.Group {
	t.Helper()
	g, err := freeze.NewVersion(groupName(t), version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := patience(t)
		if _, err := os.Stat(g.Path()); err != nil {
			return
		}
		if err := g.Kill(ctx); err != nil {
			t.Error(err)
		}
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// patience is a context that ends only if something hangs.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// running is a process in a group.
type running struct {
	*exec.Cmd
	out *bufio.Reader
	t   *testing.T
}

// start starts a command in the group. It is killed with the group at the end.
func start(t *testing.T, g *freeze.Group, path string, args ...string) *running {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	return startCmd(t, g, cmd)
}

// startProgram starts a program of this test binary.
func startProgram(t *testing.T, g *freeze.Group, program string, args ...string) *running {
	t.Helper()
	p := seccomptest.Command(program, args...)
	return startCmd(t, g, &exec.Cmd{Path: p.Path, Args: p.Args, Env: p.Env, Stderr: os.Stderr})
}

func startCmd(t *testing.T, g *freeze.Group, cmd *exec.Cmd) *running {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if err := g.Around(cmd.SysProcAttr, cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Kill(patience(t)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		_ = cmd.Wait() // killed
	})
	return &running{cmd, bufio.NewReader(out), t}
}

// line reads a line of the program's output.
func (r *running) line() string {
	r.t.Helper()
	s, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSuffix(s, "\n")
}

func mustFreeze(t *testing.T, g *freeze.Group) {
	t.Helper()
	if err := g.Freeze(patience(t), nil); err != nil {
		t.Fatal(err)
	}
	if frozen, err := g.Frozen(); err != nil || !frozen {
		t.Fatalf("frozen %v, %v after Freeze", frozen, err)
	}
}

func mustThaw(t *testing.T, g *freeze.Group) {
	t.Helper()
	if err := g.Thaw(patience(t)); err != nil {
		t.Fatal(err)
	}
	if frozen, err := g.Frozen(); err != nil || frozen {
		t.Fatalf("frozen %v, %v after Thaw", frozen, err)
	}
}

func pids(t *testing.T, g *freeze.Group) []int {
	t.Helper()
	list, err := g.Pids()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// state returns the state of a process as /proc tells, as "S".
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// counter is a number in a file that a program counts up without pause.
type counter struct{ memory []byte }

func newCounter(t *testing.T) (c counter, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "counter")
	if err := os.WriteFile(path, binary.LittleEndian.AppendUint64(nil, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	memory, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	return counter{memory}, path
}

func mapFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (c counter) number() *uint64 { return (*uint64)(unsafe.Pointer(&c.memory[0])) }
func (c counter) get() uint64     { return atomic.LoadUint64(c.number()) }

// counts waits until it counts.
func (c counter) counts(t *testing.T) {
	t.Helper()
	was := c.get()
	eventually(t, "the program counts", func() bool { return c.get() != was })
}

// progCount counts.
func progCount() {
	memory, err := mapFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for n := (counter{memory}).number(); ; {
		atomic.AddUint64(n, 1)
	}
}
