package criu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// images returns an open, empty directory.
func images(t *testing.T) *os.File {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func options(dir *os.File) *rpc.CriuOpts {
	return &rpc.CriuOpts{ImagesDirFd: proto.Int32(int32(dir.Fd()))}
}

func TestDumpConversation(t *testing.T) {
	t.Setenv("CRIU_CONFIG_FILE", "/nowhere")
	var got []string
	resp, err := fake(t, "success").Dump(t.Context(), options(images(t)), func(e Event) error {
		got = append(got, e.Script)
		return nil
	})
	if err != nil || resp == nil {
		t.Fatalf("Dump: %v, %v", resp, err)
	}
	if want := []string{PreDump, PostDump}; !slices.Equal(got, want) {
		t.Errorf("notifications %v, want %v", got, want)
	}
}

func TestNoHook(t *testing.T) {
	if _, err := fake(t, "success").Dump(t.Context(), options(images(t)), nil); err != nil {
		t.Error(err)
	}
	if _, err := fake(t, "success").Restore(t.Context(), options(images(t)), nil, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestRestoreConversation(t *testing.T) {
	dir := images(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var pids []int
	opts := options(dir)
	pid, err := fake(t, "inherit").Restore(t.Context(), opts,
		map[string]*os.File{"tty[1:2]": null, "pipe:[7]": w}, nil, func(e Event) error {
			pids = append(pids, e.PID)
			return nil
		})
	if err != nil || pid != 4321 {
		t.Fatalf("Restore = %d, %v", pid, err)
	}
	if !slices.Equal(pids, []int{0, 4321}) {
		t.Errorf("pids of the notifications: %v", pids)
	}
	log, err := os.ReadFile(filepath.Join(dir.Name(), "restore.log"))
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(w.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	if want := "pipe:[7]=" + pipe + "\ntty[1:2]=/dev/null\n"; string(log) != want {
		t.Errorf("handed in:\n%swant\n%s", log, want)
	}
	if opts.InheritFd != nil || opts.RstSibling != nil {
		t.Error("the caller's options were changed")
	}
}

func TestDefaults(t *testing.T) {
	dir, other := images(t), images(t)
	tests := []struct {
		name string
		opts *rpc.CriuOpts
		want string
		log  string
	}{
		{"unset", options(dir), "4 dump.log true false", filepath.Join(dir.Name(), "dump.log")},
		{"set", &rpc.CriuOpts{
			ImagesDirFd: proto.Int32(int32(dir.Fd())), WorkDirFd: proto.Int32(int32(other.Fd())),
			LogLevel: proto.Int32(2), LogFile: proto.String("x.log"), NotifyScripts: proto.Bool(false),
		}, "2 x.log false false", filepath.Join(other.Name(), "x.log")},
	}
	for _, tt := range tests {
		_, err := fake(t, "options").Dump(t.Context(), tt.opts, nil)
		var e *Error
		if !errors.As(err, &e) || !strings.HasSuffix(e.Cause, ": "+tt.want) || e.Log != tt.log {
			t.Errorf("%s: %+v, want %q in %s", tt.name, err, tt.want, tt.log)
		}
	}
}

func TestFailures(t *testing.T) {
	refusal := errors.New("no room")
	tests := []struct {
		script, want string
		is           error
	}{
		{"refused", "criu dump: post-dump: no room: see $DIR/dump.log", refusal},
		{"logged", "criu dump: a process holds a file lock: allow file locks", nil},
		{"silent", "criu dump: out of luck", nil},
		{"early", "criu dump: criu gave up (exit status 1): this CRIU does not understand the vDSO of this kernel: " +
			"run scripts/setup, or set ROCK_CRIU to criu 4.2 or later", nil},
		{"giant", "criu dump: " + strings.Repeat("x", 100_000), nil},
		{"eof", "criu dump: criu gave up (exit status 0)", nil},
		{"deaf", "criu dump: criu gave up (exit status 0)", nil},
		{"killed", "criu dump: criu was killed (signal 9)", nil},
		{"garbage", "criu dump: decode response of 3 bytes: ", nil},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			dir := images(t)
			// Left by an earlier dump: it must not be taken for this one's.
			old := filepath.Join(dir.Name(), "dump.log")
			if err := os.WriteFile(old, []byte("(00.1) Error (x.c:1): old\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := fake(t, tt.script).Dump(t.Context(), options(dir), func(Event) error { return refusal })
			var e *Error
			if !errors.As(err, &e) || e.Op != "dump" {
				t.Fatalf("Dump: %v, want an *Error", err)
			}
			want := strings.ReplaceAll(tt.want, "$DIR", dir.Name())
			if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Dump: %.200v, want %.200v", err, want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	_, err := Tool{Path: "/nowhere/criu"}.Dump(t.Context(), options(images(t)), nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Dump without CRIU: %v", err)
	}
}

func TestContextEndsIt(t *testing.T) {
	stop := errors.New("the user has changed his mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := fake(t, "waiting").Dump(ctx, options(images(t)), func(Event) error {
		cancel(stop)
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("Dump: %v, want %v", err, stop)
	}
	if _, err := fake(t, "success").Dump(ctx, options(images(t)), nil); !errors.Is(err, stop) {
		t.Errorf("Dump when done: %v, want %v", err, stop)
	}
}

// All that CRIU leaves behind when it is killed is the tree in the making.
func TestKilledWithChildren(t *testing.T) {
	// The sleep becomes our child, as the root of a tree is.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	var root int
	_, err := fake(t, "orphan").Restore(t.Context(), options(images(t)), nil, nil, func(e Event) error {
		root = e.PID
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "criu was killed (signal 9)") {
		t.Errorf("Restore: %v", err)
	}
	if err := unix.Kill(root, 0); err != unix.ESRCH {
		t.Errorf("root %d is still there: %v", root, err)
	}
}

func TestFileOfEvent(t *testing.T) {
	_, err := fake(t, "terminal").Restore(t.Context(), options(images(t)), nil, nil, func(e Event) error {
		if e.Script != OrphanPTSMaster || e.File == nil {
			return errors.New("no file")
		}
		defer e.File.Close()
		_, err := e.File.WriteString("hello")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStarter(t *testing.T) {
	tool := fake(t, "success")
	called := false
	_, err := tool.Restore(t.Context(), options(images(t)), nil, func(path string, argv []string, files []*os.File) (*os.Process, error) {
		called = true
		return startPlain(os.Stderr)(path, argv, files)
	}, nil)
	if err != nil || !called {
		t.Errorf("Restore: %v; starter called: %v", err, called)
	}
}

// No operation leaves a descriptor or an unreaped child behind.
func TestNothingLeaks(t *testing.T) {
	dir := images(t)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	fake(t, "success").Dump(t.Context(), options(dir), nil)
	before := count()
	for less := 0; ; before = less { // what earlier tests have left goes away at some time
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
		if less = count(); less >= before {
			break
		}
	}
	for _, script := range []string{"success", "refused", "giant", "eof", "killed", "garbage", "deaf", "terminal"} {
		fake(t, script).Dump(t.Context(), options(dir), nil)
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %v", err)
	}
}
