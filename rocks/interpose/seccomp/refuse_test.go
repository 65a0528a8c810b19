package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// A refusal is a system call that a machine answers with an error, if an
// argument has one of the bits or, with bits 0, always.
type refusal struct {
	nr    uintptr
	arg   int
	bits  uint32
	errno unix.Errno
}

// machines are those that Probe is to understand: each is this one with refusals.
var machines = map[string][]refusal{
	"docker":    {{unix.SYS_PIDFD_GETFD, 0, 0, unix.EPERM}},
	"gvisor":    {{unix.SYS_SECCOMP, 1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EINVAL}},
	"ancient":   {{unix.SYS_SECCOMP, 0, 0, unix.ENOSYS}},
	"forbidden": {{unix.SYS_SECCOMP, 1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EPERM}},
	"busy":      {{unix.SYS_SECCOMP, 1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, unix.EBUSY}},
	"apparmor":  {{unix.SYS_IOCTL, 1, '!' << 8 & 0x2000, unix.EACCES}}, // '!' is seccomp's, 'T' of ttys has no such bit
	"old": {
		{unix.SYS_SECCOMP, 1, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.EINVAL},
		{unix.SYS_PIDFD_OPEN, 1, unix.PIDFD_THREAD, unix.EINVAL},
		{unix.SYS_PROCESS_VM_READV, 0, 0, unix.ENOSYS},
	},
}

// become turns all threads of this process into such a machine.
func become(refusals []refusal) error {
	ins := func(code uint16, jt, jf uint8, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k}
	}
	const ld, jeq, jset, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K,
		unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	var prog []unix.SockFilter
	for _, r := range refusals {
		verdict := ins(ret, 0, 0, unix.SECCOMP_RET_ERRNO|uint32(r.errno))
		prog = append(prog, ins(ld, 0, 0, 0))
		if r.bits == 0 {
			prog = append(prog, ins(jeq, 0, 1, uint32(r.nr)), verdict)
			continue
		}
		prog = append(prog, ins(jeq, 0, 3, uint32(r.nr)),
			ins(ld, 0, 0, 16+8*uint32(r.arg)), ins(jset, 0, 1, r.bits), verdict)
	}
	prog = append(prog, ins(ret, 0, 0, unix.SECCOMP_RET_ALLOW))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return e
	}
	return nil
}

// progMachine probes on the machine that its argument names.
func progMachine() {
	if err := become(machines[os.Args[1]]); err != nil {
		fmt.Println("cannot become", os.Args[1], err)
		return
	}
	f, err := seccomp.Probe()
	var bad *seccomp.Error
	if err == nil {
		fmt.Println("works: killable", f.WaitKillable, "thread", f.ThreadPidfd, "vm", f.ProcessVM)
	} else if !errors.As(err, &bad) || bad.Remedy == "" {
		fmt.Println("not explained:", err)
	} else {
		fmt.Println(kind(err), "|", err)
	}
}

func kind(err error) string {
	for name, k := range map[string]error{
		"nested": seccomp.ErrNested, "unsupported": seccomp.ErrUnsupported,
		"forbidden": seccomp.ErrForbidden, "no access": seccomp.ErrNoAccess,
	} {
		if errors.Is(err, k) {
			return name
		}
	}
	return "unknown"
}

// Probe tells what is wrong on machines that refuse, and gets along with old ones.
func TestProbeRefused(t *testing.T) {
	for machine, want := range map[string]string{
		"docker": "no access |", "gvisor": "unsupported |", "ancient": "unsupported |",
		"forbidden": "forbidden |", "busy": "nested |", "apparmor": "forbidden |",
		"old": "works: killable false thread false vm false",
	} {
		t.Run(machine, func(t *testing.T) {
			c := seccomptest.Command("machine", machine)
			cmd := exec.Command(c.Path)
			cmd.Args, cmd.Env = c.Args, c.Env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := string(out); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("probe says %q, want %q", got, want)
			}
			t.Logf("%s", out)
		})
	}
}
