package seccomp

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Features is what the kernel offers beyond the minimum; `rockctl check` shows it.
type Features struct {
	Kernel       string // release, as uname(2) says
	WaitKillable bool   // received calls are deaf to signals: memory may be written (5.19)
	SyncWakeup   bool   // trapped calls cost 3 µs instead of 40 (6.6)
	AddFDSend    bool   // install a descriptor and answer in one step (5.14)
	EndWakes     bool   // a receiver wakes at the end of the last task (6.11)
	ThreadPidfd  bool   // PIDFD_THREAD: right descriptors of threads with own tables (6.9)
	ProcessVM    bool   // process_vm_readv and writev exist and are allowed
	NoNewPrivs   bool   // the filter needs no_new_privs: setuid programs lose their privileges
}

// Probe tries on throw-away threads and a throw-away child whether this process
// may interpose: it installs the filter, sends two calls through it (one
// answered by an errno, one by a descriptor) and fetches a descriptor of the
// child. It takes a few milliseconds. What it returns with an error is what was found so far;
// the error is an *[Error] of kind ErrNested, ErrUnsupported, ErrForbidden or ErrNoAccess.
func Probe() (Features, error) {
	f := Features{Kernel: kernelRelease(), EndWakes: kernelAtLeast(6, 11), NoNewPrivs: !mayFilter()}
	f.ThreadPidfd = hasThreadPidfd()
	answers := make(chan error, 1)
	var child *throwaway
	l, err := Under(func(l *Listener) (err error) {
		f.WaitKillable, f.SyncWakeup = l.killable, l.sync
		tid := unix.Gettid()
		Locked(func() { answers <- answerProbe(l, tid) })
		if child, err = startThrowaway(); err != nil {
			return err
		}
		return roundTrip()
	})
	if child != nil {
		if err == nil {
			f.ProcessVM, err = child.access()
		}
		child.end()
	}
	if l == nil && !errors.Is(err, errNoAnswer) {
		return f, err // nothing was installed, or nothing can be concluded
	}
	if aerr := <-answers; aerr != nil && !errors.Is(aerr, ErrClosed) {
		return f, explain("answer a seccomp notification", errnoOf(aerr))
	}
	if l != nil {
		f.AddFDSend = !l.twoStep.Load()
		_ = l.Close()
	}
	return f, err
}

// probeErrno is an errno that getsockname(2) never gives by itself.
const probeErrno = unix.EXFULL

var errNoAnswer = errors.New("a trapped call was not answered as told")

// answerProbe serves the thread that probes and lets all others continue, until
// nobody is left. If it cannot, it closes the listener, which frees them too.
func answerProbe(l *Listener, tid int) error {
	defer l.Close()
	for {
		c, err := l.Receive()
		if errors.Is(err, ErrEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case c.TID == tid && c.Nr == unix.SYS_GETSOCKNAME:
			err = l.Fail(c, probeErrno)
		case c.TID == tid && c.Nr == unix.SYS_ACCEPT4:
			err = l.AddFD(c, int(c.Args[0]), true)
		default:
			err = l.Continue(c)
		}
		if err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
}

// roundTrip makes, on the filtered thread, the two calls that answerProbe knows.
func roundTrip() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("probe seccomp: pipe: %w", err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	// Not unix.Getsockname: that is a raw system call, during which the Go runtime
	// cannot stop the world, so a garbage collection at the same time would
	// keep the goroutine that is to answer from running, for ever.
	if _, _, e := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(p[0]), 0, 0); e != probeErrno {
		return fmt.Errorf("%w: getsockname says %v", errNoAnswer, e)
	}
	fd, _, e := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(p[0]), 0, 0, 0, 0, 0)
	if e != 0 {
		return fmt.Errorf("%w: accept says %v", errNoAnswer, e)
	}
	defer unix.Close(int(fd))
	var want, got unix.Stat_t
	if unix.Fstat(p[0], &want) != nil || unix.Fstat(int(fd), &got) != nil || want.Ino != got.Ino {
		return fmt.Errorf("%w: accept gave a wrong descriptor", errNoAnswer)
	}
	return nil
}

func errnoOf(err error) error {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

func hasThreadPidfd() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), unix.PIDFD_THREAD)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}
