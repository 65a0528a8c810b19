package freeze_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt/freeze"
	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// progAccept makes a call that is trapped, on a thread that is not the main one.
func progAccept() {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		_, _, e := unix.Syscall6(unix.SYS_ACCEPT4, ^uintptr(0), 0, 0, 0, 0, 0)
		fmt.Println("accept", int(e))
		done <- true
	}()
	<-done
}

// A call that a supervisor holds cannot freeze until it is answered.
func TestFreezeHeldCall(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		var p *seccomptest.Program
		cmd := seccomptest.Command("accept")
		cmd.Sys = &unix.SysProcAttr{}
		if version == 1 {
			p = seccomptest.StartProcess(t, inV1(cmd, g))
		} else {
			if err := g.Around(cmd.Sys, func() error { p = seccomptest.StartProcess(t, cmd); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if !p.Listener.WaitKillable() {
			t.Skip("the kernel has no killable wait (5.19)")
		}
		call := p.Call(unix.SYS_ACCEPT4)

		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errors.New("time is up"))
		defer cancel()
		err := g.Freeze(ctx, nil)
		stuck, ok := errors.AsType[*freeze.StuckError](err)
		if !ok {
			t.Fatalf("freeze: %v, want a StuckError", err)
		}
		// On a busy machine others may not have had the time to freeze.
		waits := slices.DeleteFunc(stuck.Tasks, func(task freeze.Task) bool { return task.State == "R" })
		if len(waits) != 1 || waits[0].TID != call.TID || waits[0].PID != p.Pid || waits[0].State != "D" {
			t.Errorf("stuck %+v, want thread %d of process %d in state D", waits, call.TID, p.Pid)
		}
		for _, want := range []string{g.Path(), "time is up", "in state D"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
		if frozen, err := g.Frozen(); err != nil || frozen {
			t.Errorf("frozen %v, %v after failure", frozen, err)
		}

		nudges := 0
		err = g.Freeze(patience(t), func() {
			if nudges++; nudges == 3 {
				if err := p.Listener.Restart(call); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		mustThaw(t, g)
		again := p.Call(unix.SYS_ACCEPT4)
		if err := p.Listener.Fail(again, unix.EBADF); err != nil {
			t.Fatal(err)
		}
		if got, want := p.Line(), fmt.Sprint("accept ", int(unix.EBADF)); got != want {
			t.Errorf("program says %q, want %q", got, want)
		}
	})
}

// inV1 returns a command that enters the group by itself and becomes cmd: package seccomp forks on a thread of
// its own.
func inV1(cmd seccomp.Process, g *freeze.Group) seccomp.Process {
	cmd.Args = append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, g.Path(), "/proc/" + fmt.Sprint(os.Getpid()) + "/exe"}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return cmd
}
