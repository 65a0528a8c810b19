package front

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// stop stops this process as the command was stopped by sig, and returns when it
// has been continued.
func (f *front) stop(sig syscall.Signal) {
	p, err := stage.ReadProcess(f.command)
	if err != nil || p.State != 'T' {
		return // it was continued meanwhile
	}
	if sig != unix.SIGSTOP && f.orphaned() {
		// Without rock the command would not have stopped, since there is no shell to
		// continue it. For the other two signals the kernel fails the read or write
		// instead; to continue the command would only have it stop again.
		if sig == unix.SIGTSTP {
			f.send(signalOf(unix.SIGCONT))
		}
		return
	}
	// A shell shows what stopped its child, so it must be this very signal. It goes to
	// this thread, which then does not run on before the process has stopped.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := stage.SetMask(0)
	defer stage.SetMask(old)
	_ = stage.SetDisposition(sig, stage.Default) // fails for SIGSTOP, which needs none
	_ = unix.Tgkill(f.self, unix.Gettid(), sig)
	if stage.Sigset(mirrored).Has(sig) {
		_ = rearm(sig)
	}
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
