package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// gone says whether a process has ended, buried or not.
func gone(pid int) bool {
	p, err := stage.ReadProcess(pid)
	return err != nil || p.State == 'Z'
}

// stopped says whether a process is stopped.
func stopped(pid int) bool {
	p, err := stage.ReadProcess(pid)
	return err == nil && p.State == 'T'
}

// groups returns the groups that are registered.
func groups(t *testing.T) []group.Group {
	t.Helper()
	dir, err := group.OpenDir(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	list, err := dir.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// groupNamed returns the group with a name; ok says whether there is one.
func groupNamed(t *testing.T, name string) (g group.Group, ok bool) {
	t.Helper()
	for _, g := range groups(t) {
		if g.Name == name {
			return g, true
		}
	}
	return g, false
}

// startNamed starts a command line under rock with the name of the test, in its own process group,
// and waits until its group is registered.
func startNamed(t *testing.T, command ...string) (*exec.Cmd, group.Group) {
	t.Helper()
	name := strings.ReplaceAll(t.Name(), "/", "-")
	cmd := exec.Command(rockPath, append([]string{"--name", name}, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		_ = stderr.Close()
		if t.Failed() {
			t.Logf("standard error: %s", complaints(t, cmd))
		}
	})
	var b [3]byte // "go\n"
	if _, err := stdout.Read(b[:]); err != nil {
		t.Fatalf("command not ready: %v", err)
	}
	var g group.Group
	await(t, "group registered", func() (ok bool) {
		g, ok = groupNamed(t, name)
		return ok && g.Pid != 0
	})
	return cmd, g
}

// complaints returns what a command of startNamed has written to standard error so far.
func complaints(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	b, err := os.ReadFile(cmd.Stderr.(*os.File).Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// endOf waits for the end of rock.
func endOf(t *testing.T, cmd *exec.Cmd) unix.WaitStatus {
	t.Helper()
	state, err := cmd.Process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return unix.WaitStatus(state.Sys().(syscall.WaitStatus))
}

func TestFrontKilled(t *testing.T) {
	cmd, g := startNamed(t, "sh", "-c", "echo go; exec sleep 1000")
	_ = cmd.Process.Kill()
	await(t, "command killed", func() bool { return gone(g.Pid) })
	await(t, "supervisor gone", func() bool { return gone(g.Supervisor) })
}

// TestDaemon starts a process that outlives the command: the front leaves at once, the supervisor
// stays until the last process is gone.
func TestDaemon(t *testing.T) {
	pidFile := t.TempDir() + "/pid"
	cmd, g := startNamed(t, "sh", "-c", `echo go; setsid sh -c 'echo $$ >`+pidFile+`.new; mv `+pidFile+`.new `+pidFile+`; exec sleep 1000' </dev/null >/dev/null 2>&1 & while ! [ -f `+pidFile+` ]; do sleep 0.01; done; read x; exit 4`)
	if ws := endOf(t, cmd); ws.ExitStatus() != 4 { // its standard input is empty
		t.Errorf("got status %#x, want exit status 4", ws)
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := stage.ReadProcess(pid); err != nil || p.Parent != g.Supervisor {
		t.Errorf("daemon: got %+v (%v), want the supervisor %d as its parent", p, err, g.Supervisor)
	}
	_ = unix.Kill(g.Supervisor, unix.SIGTERM) // it must not leave for that
	found, err := group.Resolve(groups(t), strconv.Itoa(pid))
	if err != nil || found.ID != g.ID {
		t.Errorf("group of the daemon: got %v (%v), want %s", found, err, g.ID)
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	await(t, "supervisor gone", func() bool { return gone(g.Supervisor) })
	if _, ok := groupNamed(t, g.Name); ok {
		t.Error("the group is still registered")
	}
}

// TestOrphans leaves many processes behind; none may stay a zombie.
func TestOrphans(t *testing.T) {
	cmd, g := startNamed(t, "sh", "-c", `for i in 1 2 3 4 5 6 7 8 9; do sh -c 'sleep 0.01 & sleep 0.01 &'; done; echo go; exec sleep 1000`)
	await(t, "orphans buried", func() bool {
		for _, p := range stage.Processes() {
			if p.Parent == g.Supervisor && p.State == 'Z' {
				return false
			}
		}
		return true
	})
	_ = cmd.Process.Signal(unix.SIGTERM)
	if ws := endOf(t, cmd); ws.Signal() != unix.SIGTERM {
		t.Errorf("got status %#x, want killed by SIGTERM", ws)
	}
}

// TestStoppedOrphans ends a command that leaves a stopped job behind. As without rock, it must be
// hung up.
func TestStoppedOrphans(t *testing.T) {
	gate := t.TempDir() + "/gate"
	_, g := startNamed(t, "bash", "-mc", `sleep 1000 & kill -STOP %1; echo go; exec 1>&-
		until [ -f `+gate+` ]; do sleep 0.01; done; kill -9 $$`)
	touch(t, gate)
	await(t, "supervisor gone", func() bool { return gone(g.Supervisor) })
}

// TestShellKilled kills the shell of a job that is stopped. As without rock the job must be hung up.
func TestShellKilled(t *testing.T) {
	eachShell(t, func(t *testing.T, x *terminal, rock string) {
		file := t.TempDir() + "/pid"
		x.foreground(rock + "sh -c 'echo $$ >" + file + "; echo go; exec sleep 1000'")
		x.send(ctrlZ)
		x.expect(`(?i)(stopped|suspended)`)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		_ = x.cmd.Process.Kill()
		await(t, "job hung up", func() bool { return gone(pid) })
	})
}

// TestSupervisorKilled kills the supervisor, and the trustee before, so that there is no heir: the command goes on as an
// ordinary one, and so do its orphans when the front is gone.
func TestSupervisorKilled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connected := make(chan string, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			n, _ := c.Read(b)
			connected <- string(b[:n])
			_ = c.Close()
		}
	}()
	go1 := t.TempDir() + "/go"
	port := l.Addr().(*net.TCPAddr).Port
	connect := func(word string) string { return fmt.Sprintf(`echo %s >/dev/tcp/127.0.0.1/%d`, word, port) }
	wait := func(file string) string { return fmt.Sprintf(`while ! [ -f %s ]; do sleep 0.01; done`, file) }
	script := fmt.Sprintf(`(%s; %s) </dev/null >/dev/null 2>&1 &
		echo go; %s; %s; exit 6`, wait(go1+"2"), connect("orphan"), wait(go1), connect("command"))
	cmd, g := startNamed(t, "bash", "-c", script)
	kill(t, trusteeOf(t, g))
	kill(t, g.Supervisor)
	touch(t, go1)
	if got := <-connected; got != "command\n" {
		t.Errorf("got %q from the command", got)
	}
	if ws := endOf(t, cmd); ws.ExitStatus() != 6 {
		t.Errorf("got status %#x, want exit status 6", ws)
	}
	touch(t, go1+"2")
	if got := <-connected; got != "orphan\n" {
		t.Errorf("got %q from the orphan", got)
	}
	if got := complaints(t, cmd); strings.Count(got, "supervisor died") != 1 {
		t.Errorf("standard error: got %q, want one line that tells", got)
	}
	if _, ok := groupNamed(t, g.Name); ok {
		t.Error("the group is still listed")
	}
}

// TestHeir kills the supervisor again and again: another goes on in its place each time, and job control and the exit status are
// as ever. The last has no heir.
func TestHeir(t *testing.T) {
	go1 := t.TempDir() + "/go"
	cmd, g := startNamed(t, "bash", "-c", fmt.Sprintf(`echo go; kill -STOP $$; while ! [ -f %s ]; do sleep 0.01; done; exit 6`, go1))
	await(t, "command stopped", func() bool { return stopped(g.Pid) })
	for range 3 {
		trusteeOf(t, g)
		kill(t, g.Supervisor)
		before := g.Supervisor
		await(t, "heir", func() bool {
			now, ok := groupNamed(t, g.Name)
			if ok && now.Supervisor > 0 { // it has answered
				g = now
			}
			return g.Supervisor != before
		})
	}
	if err := unix.Kill(cmd.Process.Pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, "command continued", func() bool { return !stopped(g.Pid) })
	touch(t, go1)
	if ws := endOf(t, cmd); ws.ExitStatus() != 6 {
		t.Errorf("got status %#x, want exit status 6", ws)
	}
	if got := complaints(t, cmd); got != "" {
		t.Errorf("standard error: got %q, want nothing", got)
	}
	await(t, "heir gone", func() bool { return gone(g.Supervisor) })
	if _, ok := groupNamed(t, g.Name); ok {
		t.Error("the group is still listed")
	}
}

// kill kills a process and waits until it is gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("process %d is none to kill", pid)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("process %d gone", pid), func() bool { return gone(pid) })
}

// trusteeOf returns the trustee of a group's supervisor.
func trusteeOf(t *testing.T, g group.Group) (pid int) {
	t.Helper()
	await(t, "trustee", func() bool {
		for p, of := range stage.Processes() {
			if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p)); err == nil && string(name) == "rock-trustee\n" && of.Parent == g.Front {
				pid = p
			}
		}
		return pid != 0
	})
	return pid
}

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStopWithoutSupervisor stops and continues a command that the front has adopted.
func TestStopWithoutSupervisor(t *testing.T) {
	cmd, g := startNamed(t, "sh", "-c", "echo go; exec sleep 1000")
	kill(t, trusteeOf(t, g))
	kill(t, g.Supervisor)
	await(t, "adoption", func() bool {
		p, err := stage.ReadProcess(g.Pid)
		return err == nil && p.Parent == cmd.Process.Pid
	})
	front := cmd.Process.Pid
	for range 3 {
		_ = unix.Kill(-front, unix.SIGTSTP)
		var ws unix.WaitStatus
		if _, err := unix.Wait4(front, &ws, unix.WUNTRACED, nil); err != nil || ws.StopSignal() != unix.SIGTSTP {
			t.Fatalf("got status %#x (%v), want stopped by SIGTSTP", ws, err)
		}
		_ = unix.Kill(-front, unix.SIGCONT)
		if _, err := unix.Wait4(front, &ws, unix.WCONTINUED, nil); err != nil || !ws.Continued() {
			t.Fatalf("got status %#x (%v), want continued", ws, err)
		}
	}
	_ = unix.Kill(front, unix.SIGTERM)
	if ws := endOf(t, cmd); ws.Signal() != unix.SIGTERM {
		t.Errorf("got status %#x, want killed by SIGTERM", ws)
	}
}

// TestNested runs rock under rock: the inner one cannot interpose, says so once and runs the command.
func TestNested(t *testing.T) {
	for _, quiet := range []string{"", "1"} {
		var stdout, stderr strings.Builder
		cmd := exec.Command(rockPath, rockPath, "sh", "-c", "echo works; exit 3")
		cmd.Env = append(os.Environ(), "ROCK_QUIET="+quiet)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || stdout.String() != "works\n" {
			t.Errorf("got %v and %q, want exit status 3 and %q", err, stdout.String(), "works\n")
		}
		lines := strings.Count(stderr.String(), "\n")
		if want := 1 - len(quiet); lines != want {
			t.Errorf("ROCK_QUIET=%s: got %q, want %d lines", quiet, stderr.String(), want)
		}
	}
}
