package image

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// roleVar makes this binary a program that installs seccomp filters and waits: see role.
const roleVar = "ROCK_TEST_IMAGE_ROLE"

// exitStatus is that of a program which has been told to end by SIGUSR1.
const exitStatus = 42

func TestMain(m *testing.M) {
	if steps := os.Getenv(roleVar); steps != "" {
		role(strings.Fields(steps))
	}
	os.Exit(m.Run())
}

// Filters that allow all, and differ.
var (
	ourFilter = []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_IMM, K: 19},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	ownFilter = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
)

// isOurs compares a filter with ourFilter.
func isOurs(filter []byte) bool {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, ourFilter); err != nil {
		panic(err)
	}
	return bytes.Equal(filter, b.Bytes())
}

// install installs a filter, for this thread or (TSYNC) for all.
func install(filter []unix.SockFilter, flags uintptr) {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		panic("seccomp: " + errno.Error())
	}
}

// role goes through steps, closes descriptor 3, and ends when it is told to, with its child.
func role(steps []string) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGUSR1)
	child := 0
	for i, step := range steps {
		switch step {
		case "ours":
			install(ourFilter, unix.SECCOMP_FILTER_FLAG_TSYNC)
		case "own":
			install(ownFilter, unix.SECCOMP_FILTER_FLAG_TSYNC)
		case "thread": // has one of its own
			done := make(chan bool)
			go func() {
				runtime.LockOSThread()
				install(ownFilter, 0)
				close(done)
				select {}
			}()
			<-done
		case "child": // does the rest
			var err error
			rest := []string{roleVar + "=" + strings.Join(append([]string{"none"}, steps[i+1:]...), " ")}
			// Not os.StartProcess, which keeps a pidfd.
			child, err = syscall.ForkExec("/proc/self/exe", os.Args[:1], &syscall.ProcAttr{Env: rest, Files: []uintptr{0, 1, 2, 3}})
			if err != nil {
				panic(err)
			}
		}
		if child != 0 {
			break
		}
	}
	unix.Close(3)
	<-told
	if child != 0 {
		var status unix.WaitStatus
		unix.Kill(child, unix.SIGUSR1)
		if _, err := unix.Wait4(child, &status, 0, nil); err != nil || status.ExitStatus() != exitStatus {
			os.Exit(1)
		}
	}
	os.Exit(exitStatus)
}
