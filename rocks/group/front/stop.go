package front

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// stop stops this process as the command was stopped by sig, and returns when it has been
// continued. It does not stop if the command has been continued meanwhile.
func (f *front) stop(sig syscall.Signal) {
	if f.session {
		f.stopWithSession(sig)
		return
	}
	f.drain()
	if sig == unix.SIGSTOP {
		// If the whole group got it then so did we, before this or in a moment, and stopping
		// once more would be wrong: we may have been continued since.
		if f.stopped() && !f.witness.stopped() {
			_ = unix.Kill(f.self, sig)
		}
		return
	}
	if f.orphaned() {
		// Without rock the command would not have stopped, since there is no shell to
		// continue it. For the other two signals the kernel fails the read or write
		// instead; to continue the command would only have it stop again.
		if sig == unix.SIGTSTP {
			f.send(signalOf(unix.SIGCONT))
		}
		return
	}
	f.stopBy(sig)
}

// stopBy stops this process by sig, which is not SIGSTOP. A shell shows what stopped its child, so
// it must be this very signal.
func (f *front) stopBy(sig syscall.Signal) {
	// First the signal is sent, to this thread, which blocks it; then the command is looked at. If we are
	// continued in between the kernel takes the signal back.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := stage.SetMask(stage.SignalSet(sig))
	defer stage.SetMask(old)
	_ = stage.SetDisposition(sig, stage.Default)
	_ = unix.Tgkill(f.self, unix.Gettid(), sig)
	f.drain()
	if !f.stopped() {
		_ = stage.SetDisposition(sig, stage.Ignore) // takes it back too
	}
	stage.SetMask(0) // here it stops
	_ = rearm(sig)
}

// stopNow stops this process by SIGSTOP.
func stopNow() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// To this thread, so that it goes no further.
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

// stopped says whether the command is stopped now.
func (f *front) stopped() bool {
	p, err := stage.ReadProcess(f.command)
	return err == nil && p.State == 'T'
}

// signalOf returns a signal without a value.
func signalOf(sig syscall.Signal) *signal {
	var s signal
	s.setNumber(sig)
	return &s
}

// orphaned says whether the front's process group would be orphaned without rock, where the
// supervisor is nobody's parent.
func (f *front) orphaned() bool {
	return stage.Orphaned(f.group, stage.Processes(), func(p stage.Process) bool { return p.Parent == f.supervisor })
}
