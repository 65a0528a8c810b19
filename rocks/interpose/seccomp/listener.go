package seccomp

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Listener receives the calls that the filter notifies, and answers them. All
// methods may be used by several goroutines at once.
type Listener struct {
	killable bool // installed with WAIT_KILLABLE_RECV
	sync     bool // sync wake-up is on
	direct   bool // RECV ends with the last task: no poll before it

	twoStep  atomic.Bool // ADDFD does not know FLAG_SEND
	progress atomic.Pointer[Progress]

	gate sync.Mutex // held for poll + RECV if !direct

	mu     sync.Mutex
	fd     int
	users  int // methods that use fd now
	closed bool
}

// NewListener takes over a notification descriptor, which becomes
// close-on-exec, and turns on its sync wake-up if the kernel has it (6.6). It is
// for a listener that came from another process; [Start] returns its own.
func NewListener(fd int) *Listener {
	unix.CloseOnExec(fd)
	l := &Listener{fd: fd, direct: kernelAtLeast(6, 11)}
	l.sync = l.ioctl(unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0
	return l
}

// WaitKillable says that a call, once received, is not interrupted by signals
// other than fatal ones until it is answered (5.19). Only then is writing to
// the task's memory safe. It is false for a listener from [NewListener], which
// cannot know.
func (l *Listener) WaitKillable() bool { return l.killable }

// SyncWakeup says that both sides wake each other on one processor (6.6).
func (l *Listener) SyncWakeup() bool { return l.sync }

// File returns a duplicate of the descriptor, close-on-exec, which the caller
// closes. As long as it is open somewhere calls wait instead of failing with
// ENOSYS, so another process that holds it can take over.
func (l *Listener) File() (*os.File, error) {
	fd, err := l.acquire()
	if err != nil {
		return nil, err
	}
	defer l.release()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate seccomp listener: %w", err)
	}
	return os.NewFile(uintptr(dup), "seccomp-listener"), nil
}

// Close gives the descriptor up. Waiting and later calls of tasks fail with
// ENOSYS, unless a duplicate is open elsewhere. A Receive that waits in the
// kernel cannot be woken: it keeps the descriptor open until the next call or
// the end of the last task. Closing twice is harmless.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.users > 0 {
		return nil // the last user closes
	}
	return unix.Close(l.fd)
}

// acquire keeps the descriptor from being closed, and its number from being
// reused, until release.
func (l *Listener) acquire() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return -1, ErrClosed
	}
	l.users++
	return l.fd, nil
}

func (l *Listener) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users--
	if l.closed && l.users == 0 {
		_ = unix.Close(l.fd)
	}
}

// ioctl performs a request that takes a number. The descriptor must be acquired.
func (l *Listener) ioctl(req, arg uintptr) unix.Errno {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), req, arg)
	return e
}

// notification is struct seccomp_notif with its struct seccomp_data.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// A Call is a system call that waits for its answer. ID is unique per listener.
type Call struct {
	ID   uint64
	TID  int    // thread id in this process's pid namespace, 0 if not visible
	Nr   int32  // system call number, one of unix.SYS_*
	Arch uint32 // AUDIT_ARCH_*
	Args [6]uint64

	entry int // of the Progress, counted from 1; 0: none
}

// Note makes the listener note each call that it receives in p, until it is answered. p must outlive it.
func (l *Listener) Note(p *Progress) { l.progress.Store(p) }

// Inherit notes a call that another process has received and not answered, as if it had just been received.
func (l *Listener) Inherit(c Call) Call {
	c.entry = 0
	if p := l.progress.Load(); p != nil {
		p.note(&c)
	}
	return c
}

// forget ends the note of a call that was answered or is gone.
func (l *Listener) forget(c Call) {
	if p := l.progress.Load(); p != nil {
		p.done(c)
	}
}

// Receive waits for the next call. It returns [ErrEnded] when no task under the
// filter is left (on kernels before 6.11: left and reaped), [ErrClosed] after
// Close. Every call that it returned must be answered, or its task waits until
// the listener closes. Any number of goroutines may receive; each call goes to one.
func (l *Listener) Receive() (Call, error) {
	if _, err := l.acquire(); err != nil {
		return Call{}, err
	}
	defer l.release()
	for {
		c, e := l.receive()
		switch e {
		case 0:
			if p := l.progress.Load(); p != nil {
				p.note(&c)
			}
			return c, nil
		case unix.EINTR, unix.EAGAIN:
		case unix.ENOENT: // the task died before we looked, or nobody is left
			if l.hungUp(0) {
				return Call{}, ErrEnded
			}
		default:
			return Call{}, fmt.Errorf("receive from seccomp listener: %w", e)
		}
	}
}

// receive performs one RECV. Where RECV would sleep for ever after the death of
// the last task it polls first; then only one goroutine may be at it, or one
// would enter RECV for a notification that another took.
func (l *Listener) receive() (Call, unix.Errno) {
	if !l.direct {
		l.gate.Lock()
		defer l.gate.Unlock()
		if l.hungUp(-1) {
			return Call{}, unix.ENOENT
		}
	}
	var n notification // zero, or RECV says EINVAL (5.5)
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd),
		unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n)))
	if e != 0 {
		return Call{}, e
	}
	return Call{ID: n.id, TID: int(n.pid), Nr: n.nr, Arch: n.arch, Args: n.args}, 0
}

// hungUp waits up to the timeout (milliseconds, -1 without limit) for a
// notification or the end, and says whether it is the end.
func (l *Listener) hungUp(timeout int) bool {
	p := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, timeout); err != unix.EINTR {
			return p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
		}
	}
}
