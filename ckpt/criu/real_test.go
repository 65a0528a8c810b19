package criu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// need returns the CRIU of this machine, or skips.
func need(t *testing.T) Tool {
	t.Helper()
	why := ""
	tool, err := Find(os.Getenv)
	switch {
	case testing.Short():
		t.Skip("short")
	case os.Geteuid() != 0:
		why = "needs root"
	case err != nil:
		why = err.Error()
	}
	if why == "" {
		return tool
	}
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
	return Tool{}
}

// sleeper starts a program that sleeps, as the leader of a session of its own with
// its standard streams on /dev/null. It is gone at the end of the test, as is
// what is restored from it.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	endLater(t, pid)
	return pid
}

// endLater kills and reaps a process at the end of the test, if it is there yet.
func endLater(t *testing.T, pid int) {
	t.Cleanup(func() {
		if ourChild(pid) {
			unix.Kill(pid, unix.SIGKILL)
			unix.Wait4(pid, nil, 0, nil)
		}
	})
}

// reap waits for a process that a dump has killed.
func reap(t *testing.T, pid int) {
	t.Helper()
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatalf("wait for %d: %v", pid, err)
	}
}

func dumpOptions(dir *os.File, pid int) *rpc.CriuOpts {
	opts := restoreOptions(dir)
	opts.Pid = proto.Int32(int32(pid))
	return opts
}

func restoreOptions(dir *os.File) *rpc.CriuOpts {
	return &rpc.CriuOpts{
		ImagesDirFd:       proto.Int32(int32(dir.Fd())),
		NetworkLock:       rpc.CriuNetworkLockMethod_SKIP.Enum(),
		ManageCgroups:     proto.Bool(false),
		ManageCgroupsMode: rpc.CriuCgMode_IGNORE.Enum(),
	}
}

// dumped returns the images of a sleeper, and its pid, which is free.
func dumped(t *testing.T, tool Tool) (dir *os.File, pid int) {
	t.Helper()
	dir, pid = images(t), sleeper(t)
	if _, err := tool.Dump(t.Context(), dumpOptions(dir, pid), nil); err != nil {
		t.Fatal(err)
	}
	reap(t, pid)
	return dir, pid
}

// state is the letter of a process's state, "" if there is none of that pid.
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// goesOn says that a process is neither stopped nor a zombie nor gone.
func goesOn(state string) bool { return state == "S" || state == "R" }

func TestDumpAndRestore(t *testing.T) {
	tool := need(t)
	dir, pid := images(t), sleeper(t)
	var hooks []string
	hook := func(e Event) error {
		hooks = append(hooks, fmt.Sprintf("%s %d", e.Script, e.PID))
		return nil
	}
	if _, err := tool.Dump(t.Context(), dumpOptions(dir, pid), hook); err != nil {
		t.Fatal(err)
	}
	reap(t, pid)
	if want := []string{"pre-dump 0", "query-ext-files 0", "post-dump 0"}; !slices.Equal(hooks, want) {
		t.Errorf("notifications of the dump: %q, want %q", hooks, want)
	}

	hooks = nil
	got, err := tool.Restore(t.Context(), restoreOptions(dir), nil, nil, hook)
	if err != nil {
		t.Fatal(err)
	}
	if got != pid {
		t.Errorf("restored pid %d, want %d", got, pid)
	}
	want := []string{"pre-restore 0", fmt.Sprintf("post-restore %d", pid), "pre-resume 0", "post-resume 0"}
	if !slices.Equal(hooks, want) {
		t.Errorf("notifications of the restore: %q, want %q", hooks, want)
	}
	if !ourChild(pid) {
		t.Errorf("%d is not our child", pid)
	}
	if s := state(t, pid); !goesOn(s) {
		t.Errorf("restored process is in state %q", s)
	}

	// Twice is once too often.
	_, err = tool.Restore(t.Context(), restoreOptions(dir), nil, nil, nil)
	var e *Error
	if !errors.As(err, &e) || e.Cause != fmt.Sprintf("pid %d is taken (a zombie counts too)", pid) {
		t.Errorf("second restore: %v", err)
	}
	if s := state(t, pid); !goesOn(s) {
		t.Errorf("after the second restore the first is in state %q", s)
	}
}

func TestDumpRefused(t *testing.T) {
	tool := need(t)
	for _, at := range []string{PreDump, QueryExtFiles, PostDump} {
		pid, no := sleeper(t), errors.New("no")
		_, err := tool.Dump(t.Context(), dumpOptions(images(t), pid), refuse(at, no))
		if !errors.Is(err, no) {
			t.Errorf("%s: %v, want %v", at, err, no)
		}
		if s := state(t, pid); !goesOn(s) {
			t.Errorf("%s: after a refused dump the process is in state %q", at, s)
		}
	}
}

func TestRestoreRefused(t *testing.T) {
	tool := need(t)
	dir, pid := dumped(t, tool)
	for _, at := range []string{PreRestore, PostRestore} {
		no := errors.New("no")
		_, err := tool.Restore(t.Context(), restoreOptions(dir), nil, nil, refuse(at, no))
		if !errors.Is(err, no) {
			t.Errorf("%s: %v, want %v", at, err, no)
		}
		if s := state(t, pid); s != "" {
			t.Errorf("%s: after a refused restore the process is in state %q, want none", at, s)
		}
	}
	// It can be restored yet. What fails too late is no failure.
	for _, at := range []string{PreResume, PostResume} {
		if _, err := tool.Restore(t.Context(), restoreOptions(dir), nil, nil, refuse(at, errors.New("no"))); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		unix.Kill(pid, unix.SIGKILL)
		reap(t, pid)
	}
}

func refuse(at string, err error) Hook {
	return func(e Event) error {
		if e.Script == at {
			return err
		}
		return nil
	}
}

// killCRIU kills the criu that is a child of this process.
func killCRIU(t *testing.T) {
	t.Helper()
	for _, pid := range descendants(os.Getpid()) {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.TrimSpace(string(comm)) == "criu" && ourChild(pid) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Errorf("kill criu: %v", err)
			}
			return
		}
	}
	t.Error("there is no criu to kill")
}

func TestKilledWhileDumping(t *testing.T) {
	tool := need(t)
	for _, at := range []string{PreDump, QueryExtFiles, PostDump} {
		pid := sleeper(t)
		_, err := tool.Dump(t.Context(), dumpOptions(images(t), pid), func(e Event) error {
			if e.Script == at {
				killCRIU(t)
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "criu was killed (signal 9)") {
			t.Errorf("%s: %v", at, err)
		}
		if s := state(t, pid); !goesOn(s) {
			t.Errorf("%s: the process is in state %q", at, s)
		}
	}
}

func TestKilledWhileRestoring(t *testing.T) {
	tool := need(t)
	dir, pid := dumped(t, tool)
	for _, at := range []string{PreRestore, PostRestore} {
		_, err := tool.Restore(t.Context(), restoreOptions(dir), nil, nil, func(e Event) error {
			if e.Script == at {
				killCRIU(t)
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "criu was killed (signal 9)") {
			t.Errorf("%s: %v", at, err)
		}
		if s := state(t, pid); s != "" {
			t.Errorf("%s: the process is in state %q, want none", at, s)
		}
	}
}

// Pipes whose other ends were outside are replaced by those that are handed in.
func TestInherit(t *testing.T) {
	tool := need(t)
	dir := images(t)
	in, out := newPipe(t), newPipe(t)
	cmd := exec.Command("sh", "-c", "read line; echo got $line; exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin, cmd.Stdout = in.r, out.w // files go in as they are
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	endLater(t, pid)
	if _, err := tool.Dump(t.Context(), dumpOptions(dir, pid), nil); err != nil {
		t.Fatal(err)
	}
	reap(t, pid)

	in2, out2 := newPipe(t), newPipe(t)
	_, err := tool.Restore(t.Context(), restoreOptions(dir), map[string]*os.File{
		fmt.Sprintf("pipe:[%d]", inode(t, in.r)):  in2.r,
		fmt.Sprintf("pipe:[%d]", inode(t, out.w)): out2.w,
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in2.w.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := out2.r.Read(b); err != nil || string(b[:n]) != "got hello\n" {
		t.Errorf("output %q, %v", b[:n], err)
	}
}

type pipe struct{ r, w *os.File }

func newPipe(t *testing.T) pipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return pipe{r, w}
}

func inode(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestUsable(t *testing.T) {
	tool := need(t)
	if err := tool.Usable(t.Context()); err != nil {
		t.Error(err)
	}
	v, err := tool.Version(t.Context())
	if err != nil || v.Less(Version{4, 1, 0}) {
		t.Errorf("Version = %v, %v", v, err)
	}
	for _, f := range tool.Features(t.Context()) {
		t.Logf("%s: %v (%s)", f.Name, f.OK, f.For)
	}
}
