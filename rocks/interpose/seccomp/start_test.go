package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// lines reads all that a program prints.
func lines(p *seccomptest.Program, until int) []string {
	var all []string
	for range until {
		all = append(all, p.Line())
	}
	return all
}

func TestStartState(t *testing.T) {
	root := os.Geteuid() == 0
	tests := []struct {
		name string
		sys  *syscall.SysProcAttr
		want []string
	}{
		{"plain", nil, []string{"pgid false"}},
		{"own group", &syscall.SysProcAttr{Setpgid: true}, []string{"pgid true"}},
		{"other user", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
			[]string{"Uid:\t65534\t65534\t65534\t65534", "pgid false"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.sys != nil && tt.sys.Credential != nil {
				seccomptest.NeedRoot(t)
			}
			cmd := seccomptest.Command("state")
			cmd.Sys = tt.sys
			p := seccomptest.StartProcess(t, cmd)
			got := strings.Join(lines(p, 6), "\n")
			p.Succeed()
			nnp := "NoNewPrivs:\t1"
			if root {
				nnp = "NoNewPrivs:\t0"
			}
			want := append(tt.want, nnp, "SigBlk:\t"+startMask, "Seccomp_filters:\t")
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("program says\n%s\nwant %q in it", got, w)
				}
			}
			_, fds, _ := strings.Cut(got, "fds")
			if want := inheritable(); fds != want {
				t.Errorf("program has descriptors%s, want%s", fds, want)
			}
			checkClean(t)
		})
	}
}

// inheritable lists descriptors 0 to 2 and what we inherited ourselves.
func inheritable() string {
	s := " 0 1 2"
	for fd := 3; fd < 256; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			s += fmt.Sprint(" ", fd)
		}
	}
	return s
}

// ownMask is the signal mask of the calling thread. TestMain takes it before
// anything else: os/signal later fills that of some thread, maybe the main one.
func ownMask() string {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "SigBlk:"); ok {
			return strings.TrimSpace(v)
		}
	}
	panic("no SigBlk in status")
}

// checkClean fails if a filter or no_new_privs stayed on a thread that lives on.
// The main thread is the one that would keep them for ever.
func checkClean(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	if strings.Contains(s, "Seccomp:\t2") || !seccomptest.IsNobody() && strings.Contains(s, "NoNewPrivs:\t1") {
		t.Errorf("the main thread has changed:\n%s", s)
	}
}

// Starts from all sorts of threads, also when the main thread is the free one.
func TestStartNeverOnMainThread(t *testing.T) {
	for range 20 {
		p := seccomptest.Start(t, "denied")
		p.Line()
		p.Wait()
		if _, err := p.Listener.Receive(); !errors.Is(err, seccomp.ErrEnded) {
			t.Fatalf("receive: %v, want ErrEnded", err)
		}
	}
	checkClean(t)
}

func TestStartFailure(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "just text", 0o644)
	write("badinterp", "#!/nonexistent/interpreter\n", 0o755)
	env := []string{"PATH=/nonexistent:" + dir}
	tests := []struct {
		name string
		p    seccomp.Process
		want error
		also error
	}{
		{"no such file", seccomp.Process{Path: "/nonexistent/x"}, seccomp.ErrNotFound, unix.ENOENT},
		{"not in PATH", seccomp.Process{Path: "nonexistent", Env: env}, seccomp.ErrNotFound, unix.ENOENT},
		{"empty", seccomp.Process{Path: ""}, seccomp.ErrNotFound, unix.ENOENT},
		{"no PATH", seccomp.Process{Path: "nonexistent", Env: []string{}}, seccomp.ErrNotFound, unix.ENOENT},
		{"not executable", seccomp.Process{Path: plain}, seccomp.ErrNotExecutable, unix.EACCES},
		{"not executable in PATH", seccomp.Process{Path: "plain", Env: env}, seccomp.ErrNotExecutable, unix.EACCES},
		{"directory", seccomp.Process{Path: dir}, seccomp.ErrNotExecutable, unix.EACCES},
		{"not a directory", seccomp.Process{Path: plain + "/x"}, seccomp.ErrNotExecutable, unix.ENOTDIR},
		{"no interpreter", seccomp.Process{Path: "badinterp", Env: env}, seccomp.ErrNotFound, unix.ENOENT},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Args = []string{"x"}
			_, _, err := seccomp.Start(tt.p)
			if !errors.Is(err, tt.want) || !errors.Is(err, tt.also) {
				t.Errorf("error %v, want %v, %v", err, tt.want, tt.also)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
	t.Run("no such working directory", func(t *testing.T) {
		_, _, err := seccomp.Start(seccomp.Process{Path: "/bin/sh", Args: []string{"sh"}, Dir: "/nonexistent"})
		if err == nil || errors.Is(err, seccomp.ErrNotFound) || !errors.Is(err, unix.ENOENT) {
			t.Errorf("error %v, want ENOENT that is not of the command", err)
		}
	})
	t.Run("bound to the thread", func(t *testing.T) {
		_, _, err := seccomp.Start(seccomp.Process{Path: "/bin/sh", Args: []string{"sh"},
			Sys: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}})
		if err == nil {
			t.Error("Pdeathsig was accepted")
		}
	})
	checkClean(t)
}

// A script without a first line that names its interpreter is the shell's.
func TestStartScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("echo $# $1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := seccomptest.StartProcess(t, seccomp.Process{Path: path, Args: []string{"script", "a b"}})
	p.Serve(1, func(c seccomp.Call) { _ = p.Listener.Continue(c) }) // some shells look whether stdin is a socket
	if got, want := p.Line(), "1 a b"; got != want {
		t.Errorf("script says %q, want %q", got, want)
	}
	p.Succeed()
}

func TestUnderError(t *testing.T) {
	want := errors.New("no")
	var inner *seccomp.Listener
	l, err := seccomp.Under(func(l *seccomp.Listener) error { inner = l; return want })
	if l != nil || err != want {
		t.Errorf("got %v, %v, want nil, %v", l, err, want)
	}
	if _, err := inner.Receive(); !errors.Is(err, seccomp.ErrClosed) {
		t.Errorf("the listener is still open: %v", err)
	}
	checkClean(t)
}

// What the filter refuses by itself needs no supervisor.
func TestDenied(t *testing.T) {
	p := seccomptest.Start(t, "denied")
	want := []string{"io_uring_setup true", "mptcp true", "mptcp true", "socket <nil>", "sendto true",
		"sendmsg true", "sendmmsg true", "fastopen connect true", "nodelay <nil>"}
	for i, got := range lines(p, len(want)) {
		if got != want[i] {
			t.Errorf("program says %q, want %q", got, want[i])
		}
	}
	p.Succeed()
}
