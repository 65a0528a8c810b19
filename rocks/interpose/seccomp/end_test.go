package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// All receivers learn of the end, however many there are and however the kernel
// tells it.
func TestEnded(t *testing.T) {
	for name, polling := range map[string]bool{"direct": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			p := seccomptest.Start(t, "accepts", "100")
			if polling {
				seccomp.SetPolling(p.Listener)
			}
			src, _ := file(t)
			var receivers sync.WaitGroup
			for range 4 {
				receivers.Add(1)
				seccomp.Locked(func() {
					defer receivers.Done()
					serveAccepts(t, p.Listener, src)
				})
			}
			if got := p.Line(); got != "done" {
				t.Errorf("program says %q", got)
			}
			p.Succeed()
			receivers.Wait()
			for range 2 {
				if _, err := p.Listener.Receive(); !errors.Is(err, seccomp.ErrEnded) {
					t.Errorf("receive after the end: %v, want ErrEnded", err)
				}
			}
		})
	}
}

// adopt makes this process inherit orphans, so that the tests leave none to init.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// The group lives as long as any descendant does, and calls of tasks that died
// before anyone looked are passed over.
func TestEndedAfterLastDescendant(t *testing.T) {
	for name, polling := range map[string]bool{"direct": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			adopt(t)
			p := seccomptest.Start(t, "orphan")
			if polling {
				seccomp.SetPolling(p.Listener)
			}
			if got := p.Line(); got != "child true" {
				t.Fatalf("program says %q", got)
			}
			if _, err := p.Process.Wait(); err != nil {
				t.Fatal(err)
			}
			p.Say("name")
			c := p.Call(unix.SYS_GETSOCKNAME)
			if c.TID == p.Pid {
				t.Error("the call is of the parent")
			}
			if err := p.Listener.Return(c, 1); err != nil {
				t.Error(err)
			}
			if got := p.Line(); got != "1 0" {
				t.Errorf("descendant got %q", got)
			}
			p.Say("name") // killed before anyone receives this one
			done := make(chan error)
			if _, err := unix.Poll([]unix.PollFd{{Fd: listenerFD(t, p), Events: unix.POLLIN}}, -1); err != nil {
				t.Fatal(err)
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.TID))
			if err != nil {
				t.Fatal(err)
			}
			pid := field(string(status), "Tgid:")
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
				t.Fatal(err)
			}
			seccomp.Locked(func() {
				_, err := p.Listener.Receive()
				done <- err
			})
			if err := <-done; !errors.Is(err, seccomp.ErrEnded) {
				t.Errorf("receive: %v, want ErrEnded", err)
			}
		})
	}
}

func listenerFD(t *testing.T, p *seccomptest.Program) int32 {
	t.Helper()
	f, err := p.Listener.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int32(f.Fd())
}

// field returns a number of /proc/pid/status.
func field(status, name string) (n int) {
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, name); ok {
			fmt.Sscan(v, &n)
		}
	}
	return n
}
