package survey

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// role names the environment variable that makes the test binary one of the processes to look at.
const role = "SURVEY_TEST_ROLE"

// readyFD is where such a process says that all is set up.
const readyFD = 3

func init() {
	if os.Getenv(role) == "headless" { // it ends the main thread
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		act, ok := roles[name]
		if !ok {
			act = func() {}
		}
		act()
		ready()
		select {}
	}
	// What whoever runs the tests has leaked to us would be something of the outside.
	if err := unix.CloseRange(readyFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		panic(err)
	}
	// Orphans come to us, so that they can be buried.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	status := m.Run()
	for wait(-1) == nil { // those that have sessions of their own end with their parents
	}
	os.Exit(status)
}

// wait buries a child, or one of a process group.
func wait(pid int) error {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return err
		}
	}
}

// ready says so and gives up the pipe, which would be one to the outside.
func ready() {
	_, _ = unix.Write(readyFD, []byte("ready"))
	_ = unix.Close(readyFD)
}

// must ends a process in a role.
func must(err error) {
	if err != nil {
		_, _ = unix.Write(readyFD, []byte(err.Error()))
		os.Exit(1)
	}
}

// keep stops the garbage collector from closing files of a role.
var keep []any

// need skips a test that takes root, or fails it where nothing may be skipped.
func need(t testing.TB) {
	t.Helper()
	switch {
	case os.Getenv("ROCK_TEST_STRICT") == "1" && os.Geteuid() != 0:
		t.Fatal("needs root")
	case testing.Short() || os.Geteuid() != 0:
		t.Skip("needs root")
	}
}

// start starts this binary in a role, as the leader of a session, and returns its pid when it is ready.
// All of its process group is killed at the end.
func start(t testing.TB, name string, change ...func(*exec.Cmd)) int {
	t.Helper()
	need(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	for _, f := range change {
		f(cmd)
	}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for wait(-cmd.Process.Pid) == nil {
		}
	})
	if said, err := io.ReadAll(r); err != nil || string(said) != "ready" {
		t.Fatalf("%s said %q, %v", name, said, err)
	}
	return cmd.Process.Pid
}

// take looks at a process and its descendants.
func take(t *testing.T, o Options) *Survey {
	t.Helper()
	s, err := Take(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantProblem wants exactly one problem, with all these texts.
func wantProblem(t *testing.T, problems []Problem, texts ...string) {
	t.Helper()
	if len(problems) != 1 {
		t.Fatalf("got %d problems, want 1 with %q:\n%s", len(problems), texts, lines(problems))
	}
	for _, text := range texts {
		if !strings.Contains(problems[0].String(), text) {
			t.Errorf("got %q, want %q in it", problems[0], text)
		}
	}
}

// wantNone wants no problem.
func wantNone(t *testing.T, problems []Problem) {
	t.Helper()
	if len(problems) != 0 {
		t.Errorf("got problems:\n%s", lines(problems))
	}
}

func lines(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// find returns the file with this path.
func find(t *testing.T, s *Survey, path string) File {
	t.Helper()
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		t.Fatalf("no file %s in %+v", path, s.Files)
	}
	return s.Files[i]
}
