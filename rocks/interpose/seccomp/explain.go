package seccomp

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// explain turns the errno of an attempt to install or use a listener into an
// error that says why and what to do.
func explain(op string, err error) *Error {
	e := &Error{Op: op, Err: err}
	switch err {
	case unix.EBUSY:
		e.Kind = ErrNested
		e.Remedy = "whatever runs this process holds it (rock itself, another supervisor, LXC's security.syscalls.intercept): start rock outside of it or turn that off"
		if onWSL() {
			e.Remedy = "WSL's mirrored networking holds it: set networkingMode=nat in .wslconfig"
		}
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOTTY:
		e.Kind = ErrUnsupported
		e.Remedy = "Linux 5.19 or newer with CONFIG_SECCOMP_FILTER is needed; gVisor has no listeners"
	default: // EPERM, EACCES
		e.Kind = ErrForbidden
		e.Remedy = "allow the system call seccomp and its ioctls in the container's seccomp profile or the LSM policy"
	}
	return e
}

// noAccess explains a refused pidfd_getfd or process_vm_readv on a child.
func noAccess(op string, err error) *Error {
	e := &Error{Op: op, Kind: ErrNoAccess, Err: err}
	switch scope := yamaScope(); {
	case err == unix.ENOSYS:
		e.Remedy = "Linux 5.6 or newer is needed"
	case scope >= 3:
		e.Remedy = "kernel.yama.ptrace_scope is 3, which only a reboot with another setting undoes"
	case scope == 2:
		e.Remedy = "kernel.yama.ptrace_scope is 2: set it to 1 or give rock CAP_SYS_PTRACE"
	case inContainer():
		e.Remedy = "give the container CAP_SYS_PTRACE (docker run --cap-add SYS_PTRACE)"
	default:
		e.Remedy = "give rock CAP_SYS_PTRACE, or allow pidfd_getfd and process_vm_readv in the seccomp profile or LSM policy"
	}
	return e
}

// yamaScope returns kernel.yama.ptrace_scope, 0 without Yama.
func yamaScope() int {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return 0
	}
	var n int
	if _, err := fmt.Sscan(string(b), &n); err != nil {
		return 0
	}
	return n
}

func onWSL() bool {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.Contains(strings.ToLower(string(b)), "microsoft")
}

func inContainer() bool {
	if os.Getenv("container") != "" {
		return true
	}
	for _, f := range []string{"/.dockerenv", "/run/.containerenv", "/run/systemd/container", "/dev/lxd/sock", "/dev/.lxc"} {
		if _, err := os.Stat(f); err == nil {
			return true
		}
	}
	return false
}

// kernelRelease returns uname's release.
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kernelAtLeast compares with uname. It is only for what cannot be tried out.
func kernelAtLeast(major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(kernelRelease(), "%d.%d", &a, &b); n < 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
