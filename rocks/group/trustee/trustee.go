// Package trustee keeps the descriptors of a process open beyond its death, for another that goes on in its place, its heir.
//
// The trustee is a process that shares the table of descriptors with the one that it is for (clone(2), CLONE_FILES): whatever that opens
// or closes, the trustee has open or has not, at no cost. It waits, in a few system calls and without a Go runtime, for the other to die
// at whatever moment. Then it becomes the heir, by execve(2), which inherits all descriptors.
package trustee

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Trustee is the trustee of this process.
type Trustee struct{ pidfd int }

// mostDescriptors bounds the number of a descriptor that an heir may get.
const mostDescriptors = 1 << 20

// will is what the trustee has been told. The garbage collector does not know of it there: everything is made before, and nothing moves.
type will struct {
	pidfd      int // of who is to die
	most       int
	path       *byte
	argv, envv **byte
	name       [16]byte
	none       uint64 // no signal is blocked
}

// Start starts the trustee of this process. When this process dies, and End was not called, the trustee executes path with
// argv and env: as a child of this one's parent, in a session of its own, with all descriptors that are open now or will be. A
// process has one trustee at most.
func Start(path string, argv, env []string) (*Trustee, error) {
	self, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return nil, fmt.Errorf("start trustee: pidfd_open: %w", err)
	}
	w := &will{pidfd: self, most: mostDescriptors}
	copy(w.name[:], "rock-trustee")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < mostDescriptors {
		w.most = int(limit.Cur)
	}
	if w.path, err = syscall.BytePtrFromString(path); err == nil {
		var a, e []*byte
		if a, err = syscall.SlicePtrFromStrings(argv); err == nil {
			e, err = syscall.SlicePtrFromStrings(env)
		}
		if err == nil {
			w.argv, w.envv = &a[0], &e[0]
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start trustee: %w", err)
	}
	t := &Trustee{}
	e := clone(w, &t.pidfd)
	runtime.KeepAlive(w)
	if e != 0 {
		_ = unix.Close(self)
		return nil, fmt.Errorf("start trustee: clone: %w", e)
	}
	unix.CloseOnExec(t.pidfd)
	return t, nil
}

// End ends the trustee: this process is about to end in order.
func (t *Trustee) End() error {
	if err := unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("end trustee: %w", err)
	}
	return nil
}

// clone makes the trustee. It is to the Go runtime as syscall's own fork (and gVisor's).
//
//go:norace
func clone(w *will, pidfd *int) syscall.Errno {
	var fd int32
	beforeFork()
	e := fork(w, &fd)
	afterFork()
	*pidfd = int(fd)
	return e
}

// fork returns in this process only. All signals are blocked meanwhile, and stay so in the trustee.
//
//go:norace
//go:nosplit
//go:noinline
func fork(w *will, pidfd *int32) syscall.Errno {
	const flags = unix.CLONE_FILES | unix.CLONE_PARENT | unix.CLONE_PIDFD | uintptr(unix.SIGCHLD)
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, flags, 0, uintptr(unsafe.Pointer(pidfd)), 0, 0, 0)
	if e != 0 || pid != 0 {
		return e
	}
	execute(w)
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// execute is what the trustee does. It returns only if the heir cannot be executed.
//
//go:norace
//go:nosplit
func execute(w *will) {
	syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&w.name)), 0)
	p := unix.PollFd{Fd: int32(w.pidfd), Events: unix.POLLIN}
	for {
		n, _, _ := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, 0, 0, 0, 0)
		if n == 1 {
			break
		}
	}
	for fd := 3; fd < w.most; fd++ {
		syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0)
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&w.none)), 0, unsafe.Sizeof(w.none), 0, 0)
	syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(w.path)), uintptr(unsafe.Pointer(w.argv)), uintptr(unsafe.Pointer(w.envv)))
}

// The Go runtime's part in a fork, as syscall.forkAndExecInChild has it: it blocks all signals, and has no stack grow.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()
