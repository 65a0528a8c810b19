package tracee_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
	"rock/rocks/interpose/tracee"
)

const number = 100 // the descriptor that progDescriptors asks about

// progDescriptors has two sockets under one number: one in the table that its
// threads share, one in that of a thread of its own. It names the socket and
// asks about the number, from a thread of either kind.
func progDescriptors() {
	place := func(flags int) {
		fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
		if err := unix.Dup3(fd, number, flags); err != nil {
			panic(err)
		}
		if flags == 0 {
			if err := unix.SetNonblock(fd, true); err != nil {
				panic(err)
			}
		}
	}
	ask := func() {
		cookie, err := unix.GetsockoptUint64(number, unix.SOL_SOCKET, unix.SO_COOKIE)
		if err != nil {
			panic(err)
		}
		fmt.Println(cookie)
		_, _ = unix.Getsockname(number)
	}
	place(unix.O_CLOEXEC)
	onThread(false, func() {
		ask()
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			panic(err)
		}
		place(0)
		ask()
	})
}

func cookie(t *testing.T, fd int) string {
	t.Helper()
	c, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(c)
}

func TestDescriptors(t *testing.T) {
	p := seccomptest.Start(t, "descriptors")
	for _, own := range []bool{false, true} {
		want := p.Line()
		c := p.Call(unix.SYS_GETSOCKNAME)
		if c.TID == p.Pid {
			t.Fatal("the call is of the main thread")
		}
		checkGetFD(t, c, want, own)
		if f, err := seccomp.Probe(); err == nil && !f.ThreadPidfd && own {
			t.Log("no PIDFD_THREAD: only ErrOtherTable can be tested")
		}
		checkOldWay(t, c, want, own)

		cloexec, err := tracee.CloseOnExec(c.TID, number)
		if err != nil || cloexec == own {
			t.Errorf("own table %v: close on exec %v, %v", own, cloexec, err)
		}
		flags, err := tracee.Flags(c.TID, number)
		if err != nil || flags&unix.O_NONBLOCK != 0 != own || flags&unix.O_ACCMODE != unix.O_RDWR {
			t.Errorf("own table %v: flags %#o, %v", own, flags, err)
		}
		for name, err := range map[string]error{
			"GetFD":       second(tracee.GetFD(c.TID, 99)),
			"Flags":       second(tracee.Flags(c.TID, 99)),
			"CloseOnExec": second(tracee.CloseOnExec(c.TID, 99)),
			"negative":    second(tracee.GetFD(c.TID, -1)),
		} {
			if !errors.Is(err, unix.EBADF) {
				t.Errorf("%s of no descriptor: %v, want EBADF", name, err)
			}
		}
		if err := p.Listener.Continue(c); err != nil {
			t.Fatal(err)
		}
	}
	p.Succeed()
}

func second[T any](_ T, err error) error { return err }

func checkGetFD(t *testing.T, c seccomp.Call, want string, own bool) {
	t.Helper()
	fd, err := tracee.GetFD(c.TID, number)
	if errors.Is(err, tracee.ErrOtherTable) && own {
		return // before 6.9
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got := cookie(t, fd); got != want {
		t.Errorf("own table %v: socket %s, want %s", own, got, want)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the duplicate does not close on exec: %v", err)
	}
}

// checkOldWay tries what is done on kernels that have no pidfds of threads.
func checkOldWay(t *testing.T, c seccomp.Call, want string, own bool) {
	t.Helper()
	pidfd, err := tracee.OpenProcess(c.TID)
	if own {
		if !errors.Is(err, tracee.ErrOtherTable) {
			t.Errorf("own table: %v, want ErrOtherTable", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, number, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got := cookie(t, fd); got != want {
		t.Errorf("through the process: socket %s, want %s", got, want)
	}
}

func TestGone(t *testing.T) {
	const tid = 1 << 30
	var b [1]byte
	for name, err := range map[string]error{
		"GetFD":       second(tracee.GetFD(tid, 0)),
		"Flags":       second(tracee.Flags(tid, 0)),
		"Interrupted": second(tracee.Interrupted(tid)),
		"Read":        tracee.Read(tid, 4096, b[:]),
		"Write":       tracee.Write(tid, 4096, b[:]),
		"ReadMem":     second(tracee.ReadMem(tid, 4096, b[:])),
	} {
		if !errors.Is(err, unix.ESRCH) {
			t.Errorf("%s of no task: %v, want ESRCH", name, err)
		}
	}
}

// progUndumpable shuts others out of itself and makes a trapped call.
func progUndumpable() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		panic(err)
	}
	_, err := unix.Getsockname(0)
	fmt.Println(err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestUndumpable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root is never shut out; see the run as nobody")
	}
	p := seccomptest.Start(t, "undumpable")
	c := p.Call(unix.SYS_GETSOCKNAME)
	var b [8]byte
	for name, err := range map[string]error{
		"GetFD":       second(tracee.GetFD(c.TID, 0)),
		"CloseOnExec": second(tracee.CloseOnExec(c.TID, 0)),
		"Read":        tracee.Read(c.TID, c.Args[1], b[:]),
		"Write":       tracee.Write(c.TID, c.Args[1], b[:]),
		"ReadMem":     second(tracee.ReadMem(c.TID, c.Args[1], b[:])),
	} {
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if _, err := tracee.Interrupted(c.TID); err != nil {
		t.Errorf("Interrupted: %v, want it to work all the same", err)
	}
	if err := p.Listener.Continue(c); err != nil {
		t.Fatal(err)
	}
	if got, want := p.Line(), unix.ENOTSOCK.Error(); got != want {
		t.Errorf("program got %q, want %q", got, want)
	}
	p.Succeed()
}
