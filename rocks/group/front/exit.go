package front

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// A Result is how a job of the front ended.
type Result struct {
	Status unix.WaitStatus // of the command
	Group  string          // id of the group, "" if it could not be registered
	Pid    int             // of the command, which runs on if it was restored detached

	Elsewhere bool // the command lives on: it was written into an image or has gone to another host
}

// Exit ends this process as the command ended: with its exit status, or by the same
// signal, so that the parent sees what it would have seen. Where a signal cannot
// kill (process 1 of a container) the exit status is 128 + signal, as shells have it; and so it is for a
// group that is elsewhere now, which no signal killed.
func Exit(r Result) {
	status := r.Status
	if r.Elsewhere {
		os.Exit(128 + int(status.Signal()))
	}
	if !status.Signaled() {
		os.Exit(status.ExitStatus())
	}
	sig := status.Signal()
	// One core dump is enough. Not dumpable is for those that the kernel pipes into a
	// program, for which the limit is void (core(5)).
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)

	runtime.LockOSThread()
	_ = stage.SetDisposition(sig, stage.Default) // fails for SIGKILL, which needs none
	stage.SetMask(0)
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
	os.Exit(128 + int(sig))
}
