package front

import (
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// witnessMemory is all that the witness works with.
type witnessMemory struct {
	name  [16]byte // for ps
	all   stage.Sigset
	fds   [2]unix.PollFd
	room  [1]byte // for the question
	heard testimony
}

// forkWitness forks without exec: nothing but system calls on prepared memory happens in
// the child, as in the short time before exec of every other child of a Go program.
// A second Go runtime would make every start of a command slower by milliseconds, and
// it could not keep SIGTERM and its like blocked.
//
//go:nosplit
//go:norace
//go:noinline
func forkWitness(sock int, w *witnessMemory) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if r != 0 || errno != 0 {
		return int(r), errno
	}
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_NAME, uintptr(unsafe.Pointer(&w.name)), 0)
	// Nothing of the user's may stay open here.
	syscall.RawSyscall(syscall.SYS_DUP3, uintptr(sock), 0, 0)
	_, _, errno = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 1, math.MaxUint32, 0)
	if errno == 0 {
		_, _, errno = syscall.RawSyscall6(syscall.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&w.all)),
			unsafe.Sizeof(w.all), 0, 0, 0) // becomes descriptor 1
	}
	for errno == 0 {
		n := uintptr(len(w.fds))
		if w.heard.count == batch {
			n-- // only the question is waited for
		}
		if _, _, errno = syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&w.fds)), n, 0, 0, 0, 0); errno != 0 {
			continue
		}
		// Signals are taken as they come: a later SIGCONT would discard a SIGTSTP that waits, and the
		// other way round.
		for w.heard.count < batch && waitSignal(w) {
			w.heard.count++
		}
		if w.fds[0].Revents == 0 {
			continue
		}
		// A question is a message of any content; the end of the front is the end.
		if n, _, _ := syscall.RawSyscall(syscall.SYS_READ, 0, uintptr(unsafe.Pointer(&w.room)), 1); n != 1 {
			break
		}
		syscall.RawSyscall(syscall.SYS_WRITE, 0, uintptr(unsafe.Pointer(&w.heard)), unsafe.Sizeof(w.heard))
		w.heard.count = 0
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// waitSignal takes one signal, if there is one, behind those that were heard. It belongs to forkWitness.
//
//go:nosplit
//go:norace
//go:noinline
func waitSignal(w *witnessMemory) bool {
	var now [2]uint64 // struct timespec
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&w.all)),
		uintptr(unsafe.Pointer(&w.heard.signals[w.heard.count])), uintptr(unsafe.Pointer(&now)), unsafe.Sizeof(w.all), 0, 0)
	return errno == 0
}
