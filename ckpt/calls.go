package ckpt

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/rocks/group/supervise"
)

// letGo thaws a group that goes on after CRIU has dumped it, and has its threads go on with the calls that CRIU has made
// fail with EINTR (see image.RestartCalls): they are stopped by ptrace(2) as they leave the freezer, and their registers
// set. A thread for which that does not work has its call interrupted.
func letGo(ctx context.Context, cell supervise.Cell, calls map[int]image.Call) error {
	if len(calls) == 0 {
		return cell.Thaw(ctx)
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // the tracer is a thread; it ends with this
		result <- tracedThaw(ctx, cell, calls)
	}()
	return <-result
}

// stopTime is how long a thread may take to stop.
const stopTime = time.Second

func tracedThaw(ctx context.Context, cell supervise.Cell, calls map[int]image.Call) error {
	var traced []int
	for tid := range calls {
		if ptrace(unix.PTRACE_SEIZE, tid) == nil && ptrace(unix.PTRACE_INTERRUPT, tid) == nil {
			traced = append(traced, tid)
		}
	}
	err := cell.Thaw(ctx)
	deadline := time.Now().Add(stopTime)
	for _, tid := range traced {
		// No wait(2): who waits for the command sees stops of the tracer, too, and might be first.
		for errors.Is(takeBack(tid, calls[tid]), unix.ESRCH) && time.Now().Before(deadline) {
			time.Sleep(20 * time.Microsecond)
		}
		_ = ptrace(unix.PTRACE_DETACH, tid)
	}
	return err
}

// ptrace makes a request without arguments.
func ptrace(request uintptr, tid int) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, request, uintptr(tid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
