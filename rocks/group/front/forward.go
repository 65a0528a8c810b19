package front

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// codeKernel is SI_KERNEL: sent by the kernel, for instance by the terminal.
const codeKernel = 0x80

// forward passes a signal on to the command unless the command got it by itself.
func (f *front) forward(s *signal) {
	if f.session {
		f.forwardIntoSession(s)
		return
	}
	byProcess := s.code() <= 0
	if byProcess && s.sender() == f.self {
		return // our own SIGPIPE, or a stop
	}
	toGroup := f.toGroup(s)
	if byProcess && s.sender() == f.supervisor && s.number() == unix.SIGCONT {
		return // tells us to run on because the command does
	}
	if toGroup && (f.inGroup() || !f.leads()) {
		return
	}
	if s.number() == unix.SIGCONT {
		f.handTerminal()
	}
	f.send(s)
}

// toGroup says whether the whole process group got the signal. Without a witness
// only the terminal is known to signal groups.
func (f *front) toGroup(s *signal) bool {
	return f.witness.saw(s.number()) || f.witness.gone && s.code() == codeKernel
}

// inGroup says whether the command is still in the front's process group.
func (f *front) inGroup() bool {
	group, err := unix.Getpgid(f.command)
	return err != nil || group == f.group
}

// leads says whether the front leads its process group. If so then without rock the
// command would: it could not have left the group, as it may have done now (an
// interactive shell makes one of its own), and would get what the group gets.
func (f *front) leads() bool { return f.group == f.self }

// handTerminal makes the command's process group the foreground one if the front's
// is: the shell that continues us has given the terminal to our group, and without
// rock that would be the command's.
func (f *front) handTerminal() {
	if f.inGroup() {
		return
	}
	group, err := unix.Getpgid(f.command)
	if err != nil {
		return
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // no terminal
	}
	defer unix.Close(tty)
	if foreground, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP); err == nil && foreground == f.group {
		_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, group)
	}
}

// send sends s to the command, with its value if it has one.
func (f *front) send(s *signal) {
	if f.pidfd == nil {
		_ = unix.Kill(f.command, s.number())
		return
	}
	// Only what sigqueue(3) sends may be sent on as it is (pidfd_send_signal(2)).
	var info unsafe.Pointer
	if s.code() == codeQueue {
		info = unsafe.Pointer(s)
	}
	_, _, e := unix.Syscall6(unix.SYS_PIDFD_SEND_SIGNAL, f.pidfd.Fd(), uintptr(s.number()), uintptr(info), 0, 0, 0)
	if e != 0 && e != unix.ESRCH {
		_ = unix.Kill(f.command, s.number())
	}
}
