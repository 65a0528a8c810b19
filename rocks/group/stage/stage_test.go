package stage

import (
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSigset(t *testing.T) {
	s := SignalSet(unix.SIGHUP, unix.SIGTERM, 64)
	if got, want := s.String(), "8000000000004001"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, err := ParseSigset(s.String()); err != nil || got != s {
		t.Errorf("got %v (%v), want %v", got, err, s)
	}
	if got, want := slices.Collect(s.All()), []syscall.Signal{1, 15, 64}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s.Has(unix.SIGINT) || !s.Has(64) {
		t.Errorf("%v: wrong members", s)
	}
	if _, err := ParseSigset("no set"); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestCurrent(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want Stage
		ok   bool
	}{
		{"supervisor -1", Stage{Kind: Supervisor, FD: -1}, true},
		{"exec -1 0f 01", Stage{Kind: Exec, FD: -1, Arg: "0f 01"}, true},
		{"", Stage{}, false},
		{"supervisor", Stage{}, false},
		{"theatre 3", Stage{}, false},
	} {
		t.Setenv(variable, tt.env)
		got, ok := Current()
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %+v %v, want %+v %v", tt.env, got, ok, tt.want, tt.ok)
		}
		if v, ok := os.LookupEnv(variable); ok {
			t.Errorf("%q: the command would inherit %q", tt.env, v)
		}
	}
}

func TestChannel(t *testing.T) {
	a, fd, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, m := range []Message{
		Plan{Name: "web", Timeout: time.Hour, Front: 2, Parent: 1, Group: 2, Mask: 1, Ignored: 1 << 63, Files: []int{3, 9}},
		Plan{Localhost: true, Restore: &Restore{Dir: "/image", Options: []byte{0, 255}}, Terminal: []int{0, 2}, Detached: true,
			Handles: PlanHandles{Slave: true, Master: true}},
		Started{Pid: 5, Joined: 6, Group: "00c0ffee", Warning: []string{"w"}, Handles: Handles{Listener: true}},
		Progress{"verify", 3, 1 << 40}, Failed{127, "no"}, Stopped{19}, Continued{}, Exited{0x80}, Checkpointed{"/image"},
	} {
		if err := a.Send(m); err != nil {
			t.Fatal(err)
		}
		got, files, err := b.Receive()
		if err != nil || len(files) != 0 || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v with %d files (%v), want %+v", got, len(files), err, m)
		}
	}
	_ = a.Close()
	if _, _, err := b.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: got %v, want %v", err, io.EOF)
	}
}

func TestChannelFiles(t *testing.T) {
	a, fd, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := a.Send(Continued{}, w); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	_, files, err := b.Receive()
	if err != nil || len(files) != 1 {
		t.Fatalf("got %d files (%v), want 1", len(files), err)
	}
	if flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("file is not close-on-exec (%v)", err)
	}
	_, _ = files[0].WriteString("x")
	_ = files[0].Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "x" {
		t.Errorf("got %q (%v), want %q", got, err, "x")
	}
}

func TestHandles(t *testing.T) {
	a, b := os.NewFile(0, "a"), os.NewFile(1, "b")
	files := []*os.File{a, b}
	if log, slave, master := (PlanHandles{Slave: true, Master: true}).Sort(files); log != nil || slave != a || master != b {
		t.Errorf("got %v %v %v, want the first two as slave and master", log, slave, master)
	}
	if pidfd, listener, progress := (Handles{Pidfd: true, Progress: true}).Sort(files[:1]); pidfd != a || listener != nil || progress != nil {
		t.Errorf("got %v %v %v, want the only one as pidfd", pidfd, listener, progress)
	}
}

func TestOrphaned(t *testing.T) {
	// A shell (10) with a job (20, 21), a job (30) whose shell is gone, all in session 10.
	all := map[int]Process{
		1:  {Parent: 0, Group: 1, Session: 1},
		10: {Parent: 1, Group: 10, Session: 10},
		20: {Parent: 10, Group: 20, Session: 10},
		21: {Parent: 20, Group: 20, Session: 10},
		30: {Parent: 1, Group: 30, Session: 10},
		31: {Parent: 20, Group: 30, Session: 10},
	}
	nobody := func(Process) bool { return false }
	if Orphaned(20, all, nobody) {
		t.Error("the job of a shell is orphaned")
	}
	if !Orphaned(10, all, nobody) {
		t.Error("the shell, whose parent is in another session, is not orphaned")
	}
	if Orphaned(30, all, nobody) {
		t.Error("a group with a parent in the session is orphaned")
	}
	if !Orphaned(30, all, func(p Process) bool { return p.Parent == 20 }) {
		t.Error("a group whose only parent in the session does not count is not orphaned")
	}
}
