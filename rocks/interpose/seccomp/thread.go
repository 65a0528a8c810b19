package seccomp

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Locked runs f on a new goroutine that has a thread of its own with all
// signals blocked, and returns at once. The thread ends with f.
//
// Notification ioctls belong on such threads: SECCOMP_IOCTL_NOTIF_ADDFD with
// FLAG_SEND that is interrupted by a signal makes the program's call return 0
// without a descriptor (see [Listener.AddFD]), and a receiver that is
// interrupted keeps a program waiting. The signals that a fault of the code
// itself raises (SIGSEGV, ...) stay open, so that a panic is still a panic.
func Locked(f func()) {
	go offMain(func() {
		// Cannot fail: the arguments are constant and valid (sigprocmask(2)).
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, blockedSignals(), nil)
		f()
	})
}

// offMain runs f on the calling goroutine, which must end when f returns, locked
// to a thread that is not the main thread and that dies with the goroutine.
//
// The main thread will not do: the Go runtime parks it instead of letting it
// exit, so whatever was done to it (a filter, a signal mask) would stay.
func offMain(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// While this goroutine holds the main thread the next one gets another.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
	runtime.UnlockOSThread()
}

// blockedSignals is every signal except those raised by the thread's own faults.
func blockedSignals() *unix.Sigset_t {
	set := new(unix.Sigset_t)
	for i := range set.Val {
		set.Val[i] = ^set.Val[i]
	}
	for _, s := range []unix.Signal{
		unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS,
	} {
		set.Val[0] &^= 1 << (s - 1)
	}
	return set
}

// withoutSignals runs f with all signals blocked on its thread.
func withoutSignals(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, blockedSignals(), &old)
	f()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
}
