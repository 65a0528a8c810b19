package front

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// Exit ends this process as a process with that wait status ended: with its exit
// status, or by the same signal, so that the parent sees what it would have seen. Where a
// signal cannot kill (process 1 of a container) the exit status is 128 + signal, as shells have it.
func Exit(status unix.WaitStatus) {
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
