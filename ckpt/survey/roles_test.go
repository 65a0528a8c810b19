package survey

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tmp is the working directory of a role, which the test made for it.
func tmp(name string) string {
	dir, err := os.Getwd()
	must(err)
	return filepath.Join(dir, name)
}

// open keeps a file open to the end.
func open(path string, flags int) *os.File {
	f, err := os.OpenFile(path, flags, 0o640)
	must(err)
	keep = append(keep, f)
	return f
}

// child starts this binary in another role. Its readiness is waited for.
func child(name string, attr *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"="+name)
	cmd.SysProcAttr = attr
	r, w, err := os.Pipe()
	must(err)
	cmd.ExtraFiles = []*os.File{w}
	must(cmd.Start())
	_ = w.Close()
	_, err = r.Read(make([]byte, 8))
	must(err)
	_ = r.Close()
	return cmd
}

// roles are the processes to look at.
var roles = map[string]func(){
	"plain": func() {},
	"files": func() {
		f := open(tmp("regular"), os.O_CREATE|os.O_RDWR)
		_, err := f.WriteString("hello")
		must(err)
		open(tmp("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND)
		f = open(tmp("deleted"), os.O_CREATE|os.O_RDWR)
		_, err = f.Write(make([]byte, 1<<20))
		must(err)
		must(os.Remove(tmp("deleted")))
		f = open(tmp("mapped"), os.O_CREATE|os.O_RDWR)
		must(f.Truncate(100))
		m, err := unix.Mmap(int(f.Fd()), 0, 100, unix.PROT_READ, unix.MAP_SHARED)
		must(err)
		must(f.Close())
		keep = append(keep, m)
		open(tmp("odd (deleted)"), os.O_CREATE|os.O_RDWR)
		open("/proc/self/maps", os.O_RDONLY)
		child("plain", nil)
	},
	"device": func() {
		must(unix.Mknod(tmp("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(10, 237))))
		open(tmp("device"), unix.O_PATH)
		open("/dev/urandom", os.O_RDONLY)
	},
	"mount": func() {
		away := func() {
			must(unix.Unshare(unix.CLONE_NEWNS))
			open("/dev/null", os.O_RDONLY)
		}
		lock(func() { // which ends the thread, and the namespace with it
			if unix.Gettid() == os.Getpid() { // which shows as the process
				lock(away)
			} else {
				away()
			}
		})
	},
	"block": func() {
		must(unix.Mknod(tmp("disk"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))))
		open(tmp("disk"), unix.O_PATH)
	},
	"io_uring": func() {
		var params [120]byte
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
		if errno != 0 {
			must(errno)
		}
		m, err := unix.Mmap(int(fd), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(err)
		keep = append(keep, m)
	},
	"userfaultfd": func() {
		if _, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, 0, 0, 0); errno != 0 {
			must(errno)
		}
	},
	"supported": func() {
		_, err := unix.Eventfd(0, 0)
		must(err)
		_, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
		must(err)
		_, err = unix.Signalfd(-1, &unix.Sigset_t{}, 0)
		must(err)
		_, err = unix.InotifyInit1(0)
		must(err)
		_, err = unix.PidfdOpen(os.Getpid(), 0)
		must(err)
		_, err = unix.MemfdCreate("memory", 0)
		must(err)
	},
	"pidfd": func() { _, err := unix.PidfdOpen(os.Getppid(), 0); must(err) },
	"pipes": func() {
		var p [2]int
		must(unix.Pipe(p[:])) // inside
		must(unix.Pipe(p[:])) // one end closed
		must(unix.Close(p[0]))
		must(unix.Pipe(p[:]))
		must(unix.Close(p[1]))
	},
	"sockets": func() {
		_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Close(p[0])) // half closed
		l, err := net.Listen("unix", tmp("socket"))
		must(err)
		c, err := net.Dial("unix", tmp("socket")) // to be accepted
		must(err)
		_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		must(err)
		_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		must(err)
		_, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		must(err)
		keep = append(keep, l, c)
	},
	"unix": func() {
		c, err := net.Dial("unix", os.Getenv("SURVEY_TEST_ADDRESS"))
		must(err)
		keep = append(keep, c)
	},
	"dgram": func() {
		c, err := net.Dial("unixgram", os.Getenv("SURVEY_TEST_ADDRESS"))
		must(err)
		keep = append(keep, c)
	},
	"tcp": func() {
		c, err := net.Dial("tcp", os.Getenv("SURVEY_TEST_ADDRESS"))
		must(err)
		_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
		if err != unix.EPROTONOSUPPORT {
			must(err)
		}
		l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		must(unix.Listen(l, 8))
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(err)
		keep = append(keep, c, u)
	},
	"family": func() { // the first that this kernel has
		var err error
		for _, family := range []int{unix.AF_VSOCK, unix.AF_ALG, unix.AF_XDP} {
			for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET, unix.SOCK_RAW} {
				if _, err = unix.Socket(family, kind, 0); err == nil {
					return
				}
			}
		}
		must(err)
	},
	"events": func() {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		must(err)
		must(unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}))
	},
	"terminal": func() {
		m := open("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY)
		n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
		must(err)
		must(unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0))
		open(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY)
	},
	"daemon": func() {
		var info unix.Siginfo
		must(unix.Waitid(unix.P_PID, child("orphan", nil).Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil))
	},
	"orphan": func() {
		c := child("plain", nil)
		must(os.WriteFile(os.Getenv("SURVEY_TEST_ADDRESS"), fmt.Append(nil, c.Process.Pid), 0o600))
		ready()
		os.Exit(0)
	},
	"session": func() { child("plain", &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}) },
	"zombie": func() {
		cmd := exec.Command("/bin/true")
		must(cmd.Start())
		var info unix.Siginfo
		must(unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil))
	},
	"headless": func() {
		go func() {
			for {
				b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", os.Getpid()))
				must(err)
				if bytes.Contains(b, []byte(") Z ")) {
					ready()
					return
				}
				runtime.Gosched()
			}
		}()
		unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	},
	"filters": func() { filter(); filter() },
	"namespace": func() {
		child("plain", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWUTS, Pdeathsig: unix.SIGKILL})
	},
	"cwd": func() { must(os.Mkdir(tmp("dir"), 0o700)); must(os.Chdir("dir")); must(os.Remove("../dir")) },
	"sysv": func() {
		id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, 0o600)
		must(err)
		m, err := unix.SysvShmAttach(id, 0, 0)
		must(err)
		_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		must(err)
		keep = append(keep, m)
	},
	"shm": func() {
		open(os.Getenv("SURVEY_TEST_ADDRESS"), os.O_CREATE|os.O_RDWR)
	},
	"memory": func() {
		private, err := unix.Mmap(-1, 0, 32<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		must(err)
		shared, err := unix.Mmap(-1, 0, 16<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
		must(err)
		for _, m := range [][]byte{private, shared} {
			for i := 0; i < len(m); i += 4096 {
				m[i] = 1
			}
		}
		keep = append(keep, private, shared)
	},
	"vfork": func() {
		go func() {
			runtime.LockOSThread()
			// The child has a copy of the memory, so what it does is of no danger to us. This
			// thread waits for its end.
			pid, _, _ := unix.RawSyscall(unix.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0)
			if pid == 0 {
				unix.RawSyscall(unix.SYS_CLOSE, readyFD, 0, 0)
				for {
					unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0) // for ever: arm64 has no pause(2)
				}
			}
		}()
		for { // until the child is there
			children, _ := filepath.Glob("/proc/self/task/*/children")
			for _, name := range children {
				if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
					return
				}
			}
			runtime.Gosched()
		}
	},
	"thousand": func() {
		for i := range 1000 {
			open(tmp(fmt.Sprintf("file%d", i)), os.O_CREATE|os.O_RDWR)
		}
	},
}

// filter installs a seccomp filter in all threads that allows everything.
func filter() {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	prog := unix.SockFprog{Len: 1, Filter: &program[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		must(errno)
	}
}
