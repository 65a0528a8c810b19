package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"rock/tests/lab"
)

// Main is for TestMain: it clears what killed test processes have left behind,
// runs the tests and removes what they shared.
func Main(m *testing.M) int {
	// What this process has inherited is not for the programs of the tests, which may not be fit for a checkpoint with it.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "tests: keep descriptors to this process:", err)
		return 1
	}
	if err := lab.Collect(); err != nil && os.Getuid() == 0 {
		fmt.Fprintln(os.Stderr, "tests: remove old labs:", err)
	}
	old, _ := filepath.Glob(shared + "*")
	for _, dir := range old {
		pid := strings.TrimPrefix(dir, shared)
		if _, err := os.Stat("/proc/" + pid); err != nil {
			os.RemoveAll(dir)
		}
	}
	defer os.RemoveAll(sharedDir())
	defer removeCells()
	return m.Run()
}

// shared begins the name of the directory of programs and temporary files, the process
// id ends it. It is not in the module's directory, which other users may not be able
// to reach.
const shared = "/tmp/rock-tests-"

func sharedDir() string { return shared + strconv.Itoa(os.Getpid()) }

// programs are what the tests run, by name: packages of this module and files.
var programs = []struct{ name, source, arch string }{
	{name: "rock", source: "./cmd/rock"},
	{name: "rockctl", source: "./cmd/rockctl"},
	{name: "rockd", source: "./cmd/rockd"},
	{name: "stream", source: "./tests/programs/stream"},
	{name: "ring", source: "./tests/programs/ring"},
	{name: "door", source: "./tests/programs/door"},
	{name: "conns", source: "./tests/programs/conns"},
	{name: "tap", source: "./tests/programs/tap"},
	{name: "talk", source: "./tests/programs/talk"},
	{name: "rewrite", source: "./tests/programs/rewrite"},
	{name: "throttle", source: "./tests/programs/throttle"},
	{name: "crowd", source: "./tests/programs/crowd"},
	{name: "wire", source: "./tests/programs/wire"},
	{name: "talk386", source: "./tests/programs/talk", arch: "386"},
}

// cPrograms are directories of tests/programs with a program in C each.
var cPrograms = []string{"job", "waiters", "pingpong", "churn", "calls"}

// build makes the programs once per process: in bin, where nothing is made anew
// that is up to date, and copied from there, so that nobody changes them under a
// running test.
var build = sync.OnceValues(func() (string, error) {
	root, err := lab.Root()
	if err != nil {
		return "", err
	}
	dir := sharedDir()
	for _, p := range programs {
		if PlainOnly() && strings.HasPrefix(p.source, "./cmd/") {
			continue
		}
		out := filepath.Join(root, "bin", p.name)
		cmd := exec.Command("go", "build", "-o", out, p.source)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if p.arch != "" {
			cmd.Env = append(cmd.Env, "GOARCH="+p.arch)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", p.source, err, out)
		}
		if err := copyFile(filepath.Join(dir, p.name), out); err != nil {
			return "", err
		}
	}
	for _, name := range cPrograms {
		sources, err := filepath.Glob(filepath.Join(root, "tests", "programs", name, "*.c"))
		if err != nil || len(sources) == 0 {
			return "", fmt.Errorf("no C program %s in tests/programs (%v)", name, err)
		}
		argv := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", filepath.Join(dir, name)}, sources...)
		if out, err := exec.Command("gcc", argv...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	scripts, err := filepath.Glob(filepath.Join(root, "tests", "programs", "*.py"))
	if err != nil || len(scripts) == 0 {
		return "", fmt.Errorf("no Python programs in tests/programs (%v)", err)
	}
	for _, s := range scripts {
		if err := copyFile(filepath.Join(dir, filepath.Base(s)), s); err != nil {
			return "", err
		}
	}
	return dir, nil
})

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// Program returns the path of one of the programs: rock, rockctl, or what is in
// tests/programs. Any user can run it.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Python is the distribution's own, which every user can run.
const Python = "/usr/bin/python3"

// TempDir is like t.TempDir but open to every user.
func TempDir(t testing.TB) string {
	t.Helper()
	if err := os.MkdirAll(sharedDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(sharedDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
