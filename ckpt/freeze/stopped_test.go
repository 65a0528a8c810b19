package freeze_test

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// What is stopped already counts as frozen and is as it was afterwards.
func TestFreezeStopped(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		c, path := newCounter(t)
		p := startProgram(t, g, "count", path)
		c.counts(t)
		signal := func(s unix.Signal) {
			t.Helper()
			if err := unix.Kill(p.Process.Pid, s); err != nil {
				t.Fatal(err)
			}
		}
		stopped := func() bool { return state(t, p.Process.Pid) == "T" }
		signal(unix.SIGSTOP)
		eventually(t, "it stops", stopped)
		mustFreeze(t, g)
		mustThaw(t, g)
		eventually(t, "it is still stopped", stopped)

		was := c.get()
		mustFreeze(t, g)
		signal(unix.SIGCONT)
		for n := 0; n < 100_000; n++ {
			if c.get() != was {
				t.Fatal("continued while frozen")
			}
		}
		if frozen, err := g.Frozen(); err != nil || !frozen {
			t.Errorf("frozen %v, %v after SIGCONT", frozen, err)
		}
		mustThaw(t, g)
		c.counts(t)
	})
}

func TestFreezeTraced(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		p := start(t, g, "/bin/sleep", "1000")
		pid := p.Process.Pid
		runtime.LockOSThread() // the tracer is a thread
		defer runtime.UnlockOSThread()
		if err := unix.PtraceSeize(pid); err != nil {
			t.Fatal(err)
		}
		if err := unix.PtraceInterrupt(pid); err != nil {
			t.Fatal(err)
		}
		var ws unix.WaitStatus
		if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || !ws.Stopped() {
			t.Fatalf("wait: %v, %v", ws, err)
		}
		mustFreeze(t, g)
		mustThaw(t, g)
		if err := unix.PtraceDetach(pid); err != nil {
			t.Fatal(err)
		}
	})
}

// progVfork waits for a child that does not execute anything, as vfork(2) does. The child has
// memory of its own, since Go cannot share it; for who waits it is the same.
func progVfork() {
	pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	for pid == 0 {
		unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

func TestFreezeVfork(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		p := startProgram(t, g, "vfork")
		eventually(t, "a child", func() bool { return len(pids(t, g)) == 2 })
		for range 20 {
			mustFreeze(t, g)
			mustThaw(t, g)
		}
		if len(pids(t, g)) != 2 || !slices.Contains(pids(t, g), p.Process.Pid) {
			t.Errorf("processes %v after the thaw", pids(t, g))
		}
	})
}

func TestFreezeZombie(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		p := start(t, g, "/bin/true")
		eventually(t, "it ends", func() bool { return state(t, p.Process.Pid) == "Z" })
		eventually(t, "it is not listed", func() bool { return len(pids(t, g)) == 0 })
		mustFreeze(t, g)
		mustThaw(t, g)
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	})
}
