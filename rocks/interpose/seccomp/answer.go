package seccomp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errRestartSys is ERESTARTSYS (linux/errno.h): never seen by programs, unless
// no signal is pending.
const errRestartSys = 512

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32 // negative errno
	flags uint32
}

// addfd is struct seccomp_notif_addfd.
type addfd struct {
	id         uint64
	flags      uint32
	srcfd      uint32
	newfd      uint32
	newfdFlags uint32
}

// Continue lets the kernel execute the call. Like all answers it returns
// [ErrGone] if the call no longer waits.
func (l *Listener) Continue(c Call) error {
	return l.send("continue", c, &response{id: c.ID, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// Return makes the call return val.
func (l *Listener) Return(c Call, val int64) error {
	return l.send("return from", c, &response{id: c.ID, val: val})
}

// Fail makes the call fail with errno.
func (l *Listener) Fail(c Call, errno unix.Errno) error {
	return l.send("fail", c, &response{id: c.ID, error: -int32(errno)})
}

// Restart answers with ERESTARTSYS: a signal handler that is due runs now, and
// then the call fails with EINTR or is made again (and notified under another
// id), as the program's SA_RESTART says; a stop or freeze that is due happens,
// and then the call is made again. It is for a held call only, and only if
// something is due for that very thread: else the program sees errno 512.
func (l *Listener) Restart(c Call) error {
	return l.send("restart", c, &response{id: c.ID, error: -errRestartSys})
}

// Valid says that the call still waits. What was read from the task's memory may
// be used only if the call is valid afterwards: the thread id may have a new owner.
func (l *Listener) Valid(c Call) bool {
	if _, err := l.acquire(); err != nil {
		return false
	}
	defer l.release()
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd),
		unix.SECCOMP_IOCTL_NOTIF_ID_VALID, uintptr(unsafe.Pointer(&c.ID)))
	if e != 0 {
		l.forget(c)
	}
	return e == 0
}

// AddFD installs a duplicate of src in the task, at its lowest free number, and
// makes the call return that number. EMFILE means that the task has no number
// left: the call still waits and must be answered otherwise. src stays the
// caller's. The ioctl is made with all signals blocked, whatever thread calls,
// because a signal would make the call return 0 with nothing installed.
//
// On kernels before 5.14 it takes two steps, and a task that is interrupted by a
// signal between them (possible only if not WaitKillable) keeps a stray descriptor.
func (l *Listener) AddFD(c Call, src int, cloexec bool) error {
	a := addfd{id: c.ID, srcfd: uint32(src), newfdFlags: closeOnExec(cloexec)}
	if !l.twoStep.Load() {
		a.flags = unix.SECCOMP_ADDFD_FLAG_SEND
		_, err := l.add(&a)
		if err != unix.EINVAL {
			err = answered("add descriptor to", err)
			if err == nil || err == ErrGone {
				l.forget(c)
			}
			return err
		}
	}
	a.flags = 0
	n, err := l.add(&a)
	if err != nil {
		return answered("add descriptor to", err)
	}
	l.twoStep.Store(true)
	return l.Return(c, int64(n))
}

// SetFD installs a duplicate of src in the task at a given number, in place of
// what is there, without answering the call. src stays the caller's.
func (l *Listener) SetFD(c Call, src, at int, cloexec bool) error {
	_, err := l.add(&addfd{
		id: c.ID, flags: unix.SECCOMP_ADDFD_FLAG_SETFD,
		srcfd: uint32(src), newfd: uint32(at), newfdFlags: closeOnExec(cloexec),
	})
	return answered("set descriptor of", err)
}

func closeOnExec(yes bool) uint32 {
	if yes {
		return unix.O_CLOEXEC
	}
	return 0
}

// add performs ADDFD. It returns the bare errno.
func (l *Listener) add(a *addfd) (int, error) {
	if _, err := l.acquire(); err != nil {
		return -1, err
	}
	defer l.release()
	var n uintptr
	e := unix.EINTR
	withoutSignals(func() {
		// EINTR can then only be the mutex of the listener: nothing happened yet.
		for e == unix.EINTR {
			n, _, e = unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd),
				unix.SECCOMP_IOCTL_NOTIF_ADDFD, uintptr(unsafe.Pointer(a)))
		}
	})
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}

func (l *Listener) send(what string, c Call, r *response) error {
	defer l.forget(c)
	if _, err := l.acquire(); err != nil {
		return fmt.Errorf("%s call: %w", what, err)
	}
	defer l.release()
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd),
			unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(r)))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return answered(what, e)
		}
	}
}

// answered turns the errno of an answer into the error of the package. ESRCH is
// ADDFD's word for a task that died while it waited for the descriptor.
func answered(what string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.ENOENT, unix.ESRCH:
		return ErrGone
	}
	return fmt.Errorf("%s call: %w", what, err)
}
