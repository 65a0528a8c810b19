package seccomp_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// startMask is the signal mask that the tests were started with.
var startMask string

func TestMain(m *testing.M) {
	startMask = ownMask()
	seccomptest.Main(m, map[string]func(){
		"calls":   progCalls,
		"accepts": progAccepts,
		"full":    progFull,
		"state":   progState,
		"denied":  progDenied,
		"nested":  progNested,
		"bench":   progBench,
		"orphan":  progOrphan,
		"machine": progMachine,
	})
}

// TestNobody runs the tests again as an ordinary user.
func TestNobody(t *testing.T) { seccomptest.AsNobody(t, "^Test") }

// getsockname makes a trapped call that does nothing by itself.
func getsockname(fd int) (int, syscall.Errno) {
	r, _, e := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd), 0, 0)
	return int(r), e
}

func accept4(fd, flags int) (int, syscall.Errno) {
	r, _, e := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, uintptr(flags), 0, 0)
	return int(r), e
}

// describe prints a descriptor: its number, its inode and whether it closes on exec.
func describe(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Sprintf("%d %v", fd, err)
	}
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return fmt.Sprintf("%d inode %d cloexec %v", fd, st.Ino, flags&unix.FD_CLOEXEC != 0)
}

// progCalls makes one trapped call for each line of input and prints the result.
func progCalls() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "name":
			r, e := getsockname(-1)
			fmt.Println(r, int(e))
		case "accept":
			fd, e := accept4(-1, 0)
			if e != 0 {
				fmt.Println(fd, int(e))
				continue
			}
			fmt.Println(describe(fd))
		case "77":
			fmt.Println(describe(77))
		}
	}
}

// progAccepts accepts many descriptors and never wants 0 to 2.
func progAccepts() {
	var n int
	fmt.Sscan(os.Args[1], &n)
	for range n {
		fd, e := accept4(-1, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 || fd < 3 {
			fmt.Println("accept gave", fd, e)
			os.Exit(1)
		}
		if err := unix.Close(fd); err != nil {
			fmt.Println("accept gave a descriptor that is not open:", fd, err)
			os.Exit(1)
		}
	}
	fmt.Println("done")
}

// progFull has no free descriptor when it accepts.
func progFull() {
	lim := unix.Rlimit{Cur: 64, Max: 64}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		fmt.Println(err)
	}
	for {
		if _, err := unix.Dup(0); err != nil {
			break
		}
	}
	_, e := accept4(-1, 0)
	fmt.Println(int(e))
}

// progState prints what it inherited.
func progState() {
	b, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(b)) {
		for _, key := range []string{"SigBlk", "NoNewPrivs", "Seccomp_filters", "Uid"} {
			if strings.HasPrefix(line, key+":") {
				fmt.Print(line)
			}
		}
	}
	fmt.Println("pgid", unix.Getpgrp() == unix.Getpid())
	fds := "fds"
	for fd := range 256 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 { // ours close on exec
			fds += fmt.Sprint(" ", fd)
		}
	}
	fmt.Println(fds)
}

// progDenied tries what the filter itself refuses.
func progDenied() {
	_, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, 0, 0)
	fmt.Println("io_uring_setup", e == unix.ENOSYS)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		_, err := unix.Socket(family, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
		fmt.Println("mptcp", err == unix.EPROTONOSUPPORT)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	fmt.Println("socket", err)
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
	err = unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to)
	fmt.Println("sendto", err == unix.EOPNOTSUPP)
	_, err = unix.SendmsgN(fd, []byte("x"), nil, to, unix.MSG_FASTOPEN)
	fmt.Println("sendmsg", err == unix.EOPNOTSUPP)
	_, _, e = unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), 0, 0, unix.MSG_FASTOPEN, 0, 0)
	fmt.Println("sendmmsg", e == unix.EOPNOTSUPP)
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
	fmt.Println("fastopen connect", err == unix.ENOPROTOOPT)
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	fmt.Println("nodelay", err)
}

// progNested tries to be a supervisor itself.
func progNested() {
	_, _, err := seccomp.Start(seccomptest.Command("state"))
	fmt.Println("start", errors.Is(err, seccomp.ErrNested), errors.Is(err, unix.EBUSY))
	_, err = seccomp.Probe()
	fmt.Println("probe", errors.Is(err, seccomp.ErrNested))
}

// progBench makes trapped calls one after the other for each line of input.
func progBench() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var n int
		fmt.Sscan(in.Text(), &n)
		for range n {
			getsockname(-1)
		}
		fmt.Println("done")
	}
}

// progOrphan leaves a child behind that makes one call when told so.
func progOrphan() {
	proc, err := os.StartProcess(seccomptest.Binary(), []string{"calls"}, &os.ProcAttr{
		Env:   seccomptest.Command("calls").Env,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	fmt.Println("child", err == nil && proc != nil)
}
