package front

import (
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// A command that leads a session of its own (see Options.Checkpointable) gets nothing of what is sent to the
// front's process group. So all is passed on to it, and what the whole group got to its whole group.

// forwardIntoSession passes a signal on to the command, or to its process group.
func (f *front) forwardIntoSession(s *signal) {
	byProcess := s.code() <= 0
	if s.number() == unix.SIGCONT {
		f.suspended = 0
		f.console.enter() // as far as we are in the foreground now
	}
	toGroup := f.toGroup(s)
	switch {
	case byProcess && s.sender() == f.self:
		return // see typed
	case byProcess && s.sender() == f.supervisor && s.number() == unix.SIGCONT:
		return // tells us to run on because the command does
	case s.number() == unix.SIGWINCH && f.console != nil:
		f.console.resize() // which signals the command
		if !byProcess {
			return
		}
	}
	send := f.send
	if toGroup {
		send = f.sendGroup
	}
	switch {
	case !stops(s.number()):
		send(s)
	case toGroup:
		send(s)
		f.suspendGroup(s.number())
	default:
		send(s)
		f.suspend(s.number(), f.command)
	}
}

// typed does the rest for a key that has sent a signal to the command's process group: the others of the user's job are in
// ours.
func (f *front) typed(sig syscall.Signal) {
	if sig == unix.SIGTSTP {
		f.suspendGroup(sig)
	}
	_ = unix.Kill(-f.group, sig)
}

// sendGroup sends s to the command's process group, whose number is that of the command: it leads a session.
func (f *front) sendGroup(s *signal) {
	if err := unix.Kill(-f.command, s.number()); err != nil {
		f.send(s)
	}
}

// suspendGroup makes up for what the kernel does not do: the command's process group is orphaned, since the
// supervisor is in another session, and so SIGTSTP and its like (sig) do not stop its members. Those
// that would have stopped get SIGSTOP.
func (f *front) suspendGroup(sig syscall.Signal) {
	var members []int
	for pid, p := range stage.Processes() {
		if p.Group == f.command && p.State != 'Z' {
			members = append(members, pid)
		}
	}
	f.suspend(sig, members...)
}

// suspend stops those processes that sig would have stopped. If there is nobody to continue us nothing
// stops, as without rock.
func (f *front) suspend(sig syscall.Signal, pids ...int) {
	if f.orphaned() {
		return
	}
	for _, pid := range pids {
		if !stoppable(pid, sig) {
			continue
		}
		if pid == f.command {
			f.suspended = sig
		}
		_ = unix.Kill(pid, unix.SIGSTOP)
	}
}

// stoppable says whether a process does by default what sig says, which is to stop.
func stoppable(pid int, sig syscall.Signal) bool {
	other := signalStatus(pid, "SigBlk") | signalStatus(pid, "SigIgn") | signalStatus(pid, "SigCgt")
	return !other.Has(sig)
}

// stopWithSession stops this process as the command was stopped by sig, and returns when it has been
// continued. It does not stop if the command has been continued meanwhile.
func (f *front) stopWithSession(sig syscall.Signal) {
	if f.suspended != 0 && sig == unix.SIGSTOP {
		sig = f.suspended
	}
	f.drain()
	f.suspended = 0
	if !f.stopped() {
		return
	}
	f.console.leave()
	defer f.console.enter()
	if sig == unix.SIGSTOP {
		stopNow()
		return
	}
	f.stopBy(sig)
}
