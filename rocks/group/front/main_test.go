package front

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// helper names the environment variable that makes this test binary one of the helpers below,
// which the tests run under rock.
const helper = "ROCK_TEST_HELPER"

// rockPath is the program rock, built once. The test binary would not do: it has no symbol table.
var rockPath string

func TestMain(m *testing.M) {
	if s, ok := stage.Current(); ok {
		fakeSupervisor(s.FD)
		os.Exit(0)
	}
	switch os.Getenv(helper) {
	case "restore", "restore detached", "restore prepared", "restore given up":
		restoreHelper(os.Getenv(helper) != "restore", os.Getenv(helper) == "restore prepared")
	case "signals":
		reportSignals()
		os.Exit(0)
	}
	if mask, ok := strings.CutPrefix(os.Getenv(helper), "mask "); ok {
		execWithMask(mask)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rock-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	rockPath = filepath.Join(dir, "rock")
	if out, err := exec.Command("go", "build", "-o", rockPath, "rock/cmd/rock").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build rock: %v\n%s", err, out)
		return 1
	}
	os.Setenv("ROCK_RUNTIME_DIR", filepath.Join(dir, "run"))
	os.Setenv("ROCK_CONFIG", os.DevNull)
	return m.Run()
}

// needRoot skips a test of what only root may do; where nothing may be skipped it fails.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// reportSignals writes a line for each signal that this process gets, with its value if it has
// one, until SIGKILL or the end of the standard input.
func reportSignals() {
	signals, err := recordSignals()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready", os.Getpid(), unix.Getpgrp())
	end := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(end)
	}()
	for {
		select {
		case s := <-signals:
			value := 0
			if s.code() == codeQueue {
				value = int(s.word(24)) // si_value.sival_int
			}
			fmt.Println("got", unix.SignalName(s.number()), int(s.number()), value)
		case <-end:
			return
		}
	}
}

// execWithMask becomes the program in the arguments with these signals blocked.
func execWithMask(text string) {
	runtime.LockOSThread()
	os.Unsetenv(helper)
	mask, err := stage.ParseSigset(text)
	if err == nil {
		var path string
		if path, err = exec.LookPath(os.Args[1]); err == nil {
			stage.SetMask(mask)
			err = syscall.Exec(path, os.Args[1:], os.Environ())
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// underRock is a program that runs under rock in a process group of its own.
type underRock struct {
	t     *testing.T
	front *exec.Cmd
	out   *bufio.Scanner
	pid   int // of the program
}

// startHelper starts a helper under rock with options and waits until it is ready.
func startHelper(t *testing.T, name string, options ...string) *underRock {
	t.Helper()
	cmd := exec.Command(rockPath, append(options, os.Args[0])...)
	cmd.Env = append(os.Environ(), helper+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u := &underRock{t: t, front: cmd, out: bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = unix.Kill(cmd.Process.Pid, unix.SIGCONT)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var group int
	if _, err := fmt.Sscanf(u.line(), "ready %d %d", &u.pid, &group); err != nil {
		t.Fatalf("helper not ready: %v", err)
	}
	want := cmd.Process.Pid
	if slices.Contains(options, "-k") {
		want = u.pid
	}
	if group != want {
		t.Fatalf("process group of the command: got %d, want %d", group, want)
	}
	awaitFile(t, fmt.Sprintf("/proc/%d/fd/1", cmd.Process.Pid), os.DevNull)
	return u
}

// awaitFile waits until a descriptor is that of a file. The front has let go of its standard
// output when it knows that the command runs.
func awaitFile(t *testing.T, fd, file string) {
	t.Helper()
	for {
		got, err := os.Readlink(fd)
		if err != nil {
			t.Fatal(err)
		}
		if got == file {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// line returns the next line that the program writes.
func (u *underRock) line() string {
	u.t.Helper()
	if !u.out.Scan() {
		u.t.Fatalf("program ended: %v", u.out.Err())
	}
	return u.out.Text()
}

// until returns the lines that the program writes before one that begins with prefix.
func (u *underRock) until(prefix string) []string {
	u.t.Helper()
	var lines []string
	for {
		line := u.line()
		if strings.HasPrefix(line, prefix) {
			return lines
		}
		lines = append(lines, line)
	}
}
