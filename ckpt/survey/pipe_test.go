package survey

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// lock runs f on a thread of its own, which ends with it.
func lock(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// pty makes a pseudoterminal.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(filepath.Join("/dev/pts", itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// pipes makes a pipe that is closed at the end.
func pipes(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func TestPipeOutside(t *testing.T) {
	r, w := pipes(t)
	extra, _ := pipes(t)
	root := start(t, "plain", func(cmd *exec.Cmd) {
		cmd.Stdin = r
		cmd.ExtraFiles = append(cmd.ExtraFiles, extra)
	})
	s := take(t, Options{Root: root})
	wantProblem(t, s.Problems, "has a pipe open whose other end is outside of the group (descriptor 4)")
	if len(s.Outside) != 2 {
		t.Fatalf("got outside %+v, want 2", s.Outside)
	}
	var standard Outside
	for _, o := range s.Outside {
		if o.FD == 0 {
			standard = o
		}
	}
	link, _ := os.Readlink("/proc/self/fd/" + itoa(int(r.Fd())))
	if standard != (Outside{Key: link, PID: root}) {
		t.Errorf("got %+v for standard input, %s", standard, link)
	}
	_ = w.Close() // at its end of file it is a pipe like any other
	if s := take(t, Options{Root: root, Replaces: func(string) bool { return true }}); len(s.Outside) != 1 || len(s.Problems) != 0 {
		t.Errorf("got outside %+v, problems %v", s.Outside, s.Problems)
	}
}

func TestFifoOutside(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := take(t, Options{Root: start(t, "plain", func(cmd *exec.Cmd) { cmd.Stdout = w })})
	wantNone(t, s.Problems)
	wantProblem(t, s.Warnings, "has the named pipe "+name)
	if len(s.Outside) != 1 || !s.Outside[0].Fifo || !s.Outside[0].Write || s.Outside[0].FD != 1 {
		t.Errorf("got outside %+v", s.Outside)
	}
}
