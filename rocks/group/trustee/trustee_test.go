package trustee_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/group/trustee"
)

// role is the environment variable that makes the test binary a process of the tests.
const role = "ROCK_TRUSTEE_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "testator":
		os.Exit(testator(os.Args[1]))
	case "heir":
		os.Exit(heir(os.Args[1]))
	}
	os.Exit(m.Run())
}

// testator has a listener, which it opens when its trustee runs, at descriptor 9; then it ends as it is told.
func testator(how string) int {
	if err := os.Setenv(role, "heir"); err != nil {
		fmt.Println(err)
		return 1
	}
	t, err := trustee.Start("/proc/self/exe", []string{"heir", "9"}, os.Environ())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := unix.Dup3(int(f.Fd()), 9, unix.O_CLOEXEC); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(l.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1))
	switch how {
	case "killed":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "panic":
		panic("for the test")
	case "in order":
		if err := t.End(); err != nil {
			fmt.Println(err)
		}
	}
	return 0
}

// heir serves one connection at the descriptor.
func heir(fd string) int {
	var n int
	fmt.Sscan(fd, &n)
	l, err := net.FileListener(os.NewFile(uintptr(n), "listener"))
	if err != nil {
		return 1
	}
	c, err := l.Accept()
	if err != nil {
		return 1
	}
	var blocked unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &blocked)
	fmt.Fprintf(c, "heir %d %v", os.Getppid(), blocked == unix.Sigset_t{})
	c.Close()
	return 0
}

// TestTrustee has a process die in several ways. Its heir has what was open, and is a child of the process's parent, with no signal blocked;
// unless the process has ended in order.
func TestTrustee(t *testing.T) {
	for _, how := range []string{"killed", "panic", "in order"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", how)
			cmd.Env = append(os.Environ(), role+"=testator")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			r, out, err := os.Pipe() // the trustee holds it open too, so Wait must not wait for its end
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd.Stdout = out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out.Close()
			addr, err := bufio.NewReader(r).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			in.Close()
			_ = cmd.Wait()
			if how == "in order" {
				if _, err := io.Copy(io.Discard, r); err != nil { // until the trustee is gone
					t.Error(err)
				}
				if c, err := net.Dial("tcp", strings.TrimSpace(addr)); err == nil {
					c.Close()
					t.Error("the listener of a process that has ended in order is open")
				}
				return
			}
			c, err := net.Dial("tcp", strings.TrimSpace(addr))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got, err := io.ReadAll(c)
			if want := fmt.Sprintf("heir %d true", os.Getpid()); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}
