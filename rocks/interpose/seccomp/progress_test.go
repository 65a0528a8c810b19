package seccomp_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// TestProgress answers a call that was received and then forgotten, as by a
// supervisor that died: another holder of the memory knows its ID.
func TestProgress(t *testing.T) {
	p := seccomptest.Start(t, "calls")
	progress, err := seccomp.NewProgress()
	if err != nil {
		t.Fatal(err)
	}
	defer progress.Close()
	p.Listener.Note(progress)
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
