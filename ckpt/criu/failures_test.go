package criu

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// envProgram makes the test binary a program that has what CRIU cannot save, or
// cannot restore.
const envProgram = "ROCK_TEST_PROGRAM"

// programs make something, in a directory if need be, and return what they hold.
var programs = map[string]func(dir string) (any, error){
	"nothing": func(string) (any, error) { return nil, nil },
	"follower": func(dir string) (any, error) {
		cmd := exec.Command("/proc/self/exe", dir)
		cmd.Env = append(os.Environ(), envProgram+"=nothing")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		_, err = io.ReadAll(out) // until it has made what it makes
		return cmd.Process.Pid, err
	},
	"lock": func(dir string) (any, error) {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			return nil, err
		}
		return f, unix.Flock(int(f.Fd()), unix.LOCK_EX)
	},
	"deleted": func(dir string) (any, error) {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(make([]byte, 4<<20)); err != nil {
			return nil, err
		}
		return f, os.Remove(f.Name())
	},
	"file": func(dir string) (any, error) {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString("12345")
		return f, err
	},
	"io_uring": func(string) (any, error) {
		var params [120]byte // struct io_uring_params
		fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
		if e != 0 {
			return nil, e
		}
		return fd, nil
	},
	"io_uring mapped": func(string) (any, error) {
		var params [120]byte
		fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
		if e != 0 {
			return nil, e
		}
		ring, err := unix.Mmap(int(fd), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return &ring[0], err
	},
	"mptcp": func(string) (any, error) {
		return unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	},
	"tcp": func(dir string) (any, error) {
		addr, err := os.ReadFile(filepath.Join(dir, "addr"))
		if err != nil {
			return nil, err
		}
		return net.Dial("tcp", string(addr))
	},
	"unix": func(dir string) (any, error) {
		return net.Dial("unix", filepath.Join(dir, "socket"))
	},
	"listener": func(string) (any, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return nil, err
		}
		if err := unix.Listen(fd, 1); err != nil {
			return nil, err
		}
		sa, err := unix.Getsockname(fd)
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(sa.(*unix.SockaddrInet4).Port), nil
	},
}

// runProgram runs one, says what it has made in one line, and waits.
func runProgram(name string) int {
	made, err := programs[name](os.Args[1])
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(made)
	os.Stdout.Close() // a pipe to the outside
	unix.Pause()
	runtime.KeepAlive(made)
	return 0
}

// program starts a program in dir and returns its pid and what it has said.
func program(t *testing.T, name, dir string, attr *syscall.SysProcAttr) (pid int, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), envProgram+"="+name)
	cmd.SysProcAttr = attr
	out := newPipe(t)
	cmd.Stdout = out.w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	endLater(t, cmd.Process.Pid)
	b := make([]byte, 200)
	n, err := out.r.Read(b)
	said = strings.TrimSpace(string(b[:n]))
	if err != nil || strings.HasPrefix(said, "error:") {
		t.Fatalf("program %s: %s %v", name, said, err)
	}
	out.w.Close()
	if _, err := out.r.Read(b); err == nil {
		t.Fatalf("program %s goes on talking", name)
	}
	return cmd.Process.Pid, said
}

var leader = &syscall.SysProcAttr{Setsid: true}

// check compares the explanation of a failure. $DIR in what is wanted is dir.
func check(t *testing.T, err error, dir, want string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want %q", err, want)
	}
	want = strings.ReplaceAll(want, "$DIR", dir)
	if !strings.HasPrefix(e.Cause, want) || e.Remedy == "" || len(e.Lines) == 0 {
		t.Errorf("got  %v\nwant %s\nlog  %s", err, want, strings.Join(e.Lines, "\n     "))
	}
}

// What CRIU says of things that it cannot dump is what the table expects.
func TestWhatCannotBeDumped(t *testing.T) {
	tool := need(t)
	tests := []struct{ program, want string }{
		{"lock", "a process holds a file lock"},
		{"deleted", "the deleted file $DIR/file has 4194304 bytes"},
		{"io_uring", "a process uses io_uring"},
		{"io_uring mapped", "a process uses io_uring"},
		{"mptcp", "a socket speaks MPTCP"},
		{"tcp", "a TCP connection is not a rock"},
		{"unix", "a Unix socket is connected to a process outside"},
	}
	for _, tt := range tests {
		t.Run(tt.program, func(t *testing.T) {
			dir := images(t)
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer tcp.Close()
			local, err := net.Listen("unix", filepath.Join(dir.Name(), "socket"))
			if err != nil {
				t.Fatal(err)
			}
			defer local.Close()
			if err := os.WriteFile(filepath.Join(dir.Name(), "addr"), []byte(tcp.Addr().String()), 0o600); err != nil {
				t.Fatal(err)
			}
			pid, _ := program(t, tt.program, dir.Name(), leader)
			if tt.program == "unix" {
				// Until it is accepted, CRIU takes the connection for one to nowhere.
				c, err := local.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			_, err = tool.Dump(t.Context(), dumpOptions(dir, pid), nil)
			check(t, err, dir.Name(), tt.want)
		})
	}
}

func TestNotALeader(t *testing.T) {
	tool := need(t)
	dir := images(t)
	// Its leader is in the same pid namespace, which is not said of the test's own.
	_, said := program(t, "follower", dir.Name(), leader)
	pid, err := strconv.Atoi(said)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tool.Dump(t.Context(), dumpOptions(dir, pid), nil)
	check(t, err, "", fmt.Sprintf("process %d is not a session leader", pid))
}

func TestTraced(t *testing.T) {
	tool := need(t)
	dir := images(t)
	pid, _ := program(t, "nothing", dir.Name(), leader)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); err != nil {
		t.Fatal(err)
	}
	_, err := tool.Dump(t.Context(), dumpOptions(dir, pid), nil)
	check(t, err, "", fmt.Sprintf("task %d is being traced", pid))
}

func TestDiskFull(t *testing.T) {
	tool := need(t)
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(path, unix.MNT_DETACH)
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	pid, _ := program(t, "nothing", path, leader)
	_, err = tool.Dump(t.Context(), dumpOptions(dir, pid), nil)
	// The log is on that disk too, and may have nothing.
	if e := (*Error)(nil); !errors.As(err, &e) || !strings.HasPrefix(e.Cause, "no space left on the device") || e.Remedy == "" {
		t.Errorf("got %v", err)
	}
}

// And what it says of images that cannot be restored here.
func TestWhatCannotBeRestored(t *testing.T) {
	tool := need(t)
	tests := []struct {
		name, program, want string
		spoil               func(dir, said string) (undo func(), err error)
	}{
		{"grown", "file", "the file $DIR/file has 7 bytes, at the checkpoint it had 5", func(dir, _ string) (func(), error) {
			return nil, os.WriteFile(filepath.Join(dir, "file"), []byte("1234567"), 0)
		}},
		{"gone", "file", "the file $DIR/file is missing", func(dir, _ string) (func(), error) {
			return nil, os.Remove(filepath.Join(dir, "file"))
		}},
		{"mode", "file", "the file $DIR/file has mode", func(dir, _ string) (func(), error) {
			return nil, os.Chmod(filepath.Join(dir, "file"), 0o600)
		}},
		{"damaged", "nothing", "the image file ", func(dir, _ string) (func(), error) {
			return nil, os.WriteFile(filepath.Join(dir, "files.img"), []byte("what is this"), 0o600)
		}},
		{"port", "listener", "127.0.0.1 port ", func(_, said string) (func(), error) {
			l, err := net.Listen("tcp", "127.0.0.1:"+said)
			if err != nil {
				return nil, err
			}
			return func() { l.Close() }, nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := images(t)
			pid, said := program(t, tt.program, dir.Name(), leader)
			if _, err := tool.Dump(t.Context(), dumpOptions(dir, pid), nil); err != nil {
				t.Fatal(err)
			}
			reap(t, pid)
			undo, err := tt.spoil(dir.Name(), said)
			if err != nil {
				t.Fatal(err)
			}
			if undo != nil {
				defer undo()
			}
			_, err = tool.Restore(t.Context(), restoreOptions(dir), nil, nil, nil)
			check(t, err, dir.Name(), tt.want)
			if s := state(t, pid); s != "" {
				t.Errorf("process %d is left in state %q", pid, s)
			}
		})
	}
}

// The log is where the work directory says.
func TestWorkDir(t *testing.T) {
	tool := need(t)
	dir, work := images(t), images(t)
	opts := restoreOptions(dir)
	opts.WorkDirFd = proto.Int32(int32(work.Fd()))
	_, err := tool.Restore(t.Context(), opts, nil, nil, nil)
	check(t, err, "", "files of the image are missing")
	var e *Error
	if want := filepath.Join(work.Name(), "restore.log"); !errors.As(err, &e) || e.Log != want {
		t.Errorf("log of %+v, want %s", err, want)
	}
}
