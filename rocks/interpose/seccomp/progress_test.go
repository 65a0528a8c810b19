package seccomp_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// noted starts a program whose calls are noted.
func noted(t *testing.T) (*seccomptest.Program, *seccomp.Progress) {
	t.Helper()
	progress, err := seccomp.NewProgress()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { progress.Close() })
	p := seccomptest.Start(t, "calls") // which ends before
	p.Listener.Note(progress)
	return p, progress
}

// TestProgress answers a call that was received and then forgotten, as by a
// supervisor that died: another holder of the memory knows its ID.
func TestProgress(t *testing.T) {
	p, progress := noted(t)
	fd, err := unix.Dup(int(progress.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := seccomp.OpenProgress(os.NewFile(uintptr(fd), "progress"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := other.Last(); got != 0 {
		t.Errorf("last call before the first is %d, want 0", got)
	}
	p.Say("name")
	forgotten := p.Call(unix.SYS_GETSOCKNAME)
	if got := other.Last(); got != forgotten.ID {
		t.Errorf("last call is %d, want %d", got, forgotten.ID)
	}
	if err := p.Listener.Continue(seccomp.Call{ID: other.Last()}); err != nil {
		t.Error(err)
	}
	if got, want := p.Line(), fmt.Sprint(-1, int(unix.EBADF)); got != want {
		t.Errorf("the program's call gave %q, want %q", got, want)
	}
}

// TestPending takes up a call that was received and not answered, as an heir does: it is told with all that is known of it, until it
// is answered.
func TestPending(t *testing.T) {
	p, progress := noted(t)
	if got := progress.Pending(); len(got) != 0 {
		t.Errorf("before the first call %d are pending", len(got))
	}
	p.Say("name")
	call := p.Call(unix.SYS_GETSOCKNAME)
	got := progress.Pending()
	if len(got) != 1 || got[0].ID != call.ID || got[0].TID != call.TID || got[0].Nr != call.Nr || got[0].Arch != call.Arch || got[0].Args != call.Args {
		t.Fatalf("pending: %+v, want %+v", got, call)
	}
	next, err := seccomp.NewProgress()
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	p.Listener.Note(next)
	inherited := p.Listener.Inherit(got[0])
	if now := next.Pending(); len(now) != 1 || now[0].ID != call.ID {
		t.Errorf("taken over: %+v", now)
	}
	if err := p.Listener.Continue(inherited); err != nil {
		t.Error(err)
	}
	p.Line()
	if now := next.Pending(); len(now) != 0 {
		t.Errorf("answered, and still pending: %+v", now)
	}
	if p.Listener.Valid(call) {
		t.Error("the call is valid after its answer")
	}
}
