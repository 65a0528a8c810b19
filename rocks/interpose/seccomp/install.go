package seccomp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Install puts the filter on the calling thread, from where every process
// started by it inherits it, and returns its listener. no_new_privs is set on
// the thread only if it lacks CAP_SYS_ADMIN in its user namespace.
//
// The goroutine must be locked to its thread (runtime.LockOSThread), must never
// unlock it, and must not be on the main thread, which Go does not let exit: the
// listener would never end. The thread must not make calls that the filter
// notifies unless another thread answers them. [Under] arranges all of this.
// Errors are of type *[Error].
func Install() (*Listener, error) {
	const op = "install seccomp filter"
	prog := Filter(nativeArch())
	if prog == nil {
		return nil, &Error{Op: op, Kind: ErrUnsupported, Remedy: "rock runs on amd64 and arm64"}
	}
	if err := checkSizes(); err != nil {
		return nil, err
	}
	if !mayFilter() {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return nil, explain("set no_new_privs", err)
		}
	}
	// SPEC_ALLOW: a filter must not slow the program down by speculation
	// mitigations (kernels before 5.16); we are no sandbox.
	const listen = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	const fast = listen | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	var err error
	for _, flags := range []uintptr{fast | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, fast, listen} {
		var fd int
		if fd, err = setFilter(prog, flags); err == nil {
			l := NewListener(fd)
			l.killable = flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0
			return l, nil
		}
		if err != unix.EINVAL {
			break
		}
	}
	return nil, explain(op, err)
}

// Under installs the filter on a fresh thread and runs f there; every process
// that f starts is under the filter. It returns what f returned; the listener is
// closed if that is an error. f must not set Pdeathsig on what it starts: the
// thread dies when f returns. See [Install] for what else f must not do.
func Under(f func(*Listener) error) (*Listener, error) {
	type result struct {
		l   *Listener
		err error
	}
	done := make(chan result, 1)
	go offMain(func() {
		l, err := Install()
		if err == nil {
			if err = f(l); err != nil {
				_ = l.Close()
				l = nil
			}
		}
		done <- result{l, err}
	})
	r := <-done
	return r.l, r.err
}

func setFilter(prog []unix.SockFilter, flags uintptr) (int, error) {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	fd, _, e := unix.Syscall(unix.SYS_SECCOMP,
		unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}

// checkSizes compares the kernel's structures with ours: a larger
// notification would be written behind our buffer.
func checkSizes() error {
	const op = "ask for the sizes of seccomp notifications"
	var s struct{ notif, resp, data uint16 } // struct seccomp_notif_sizes
	_, _, e := unix.Syscall(unix.SYS_SECCOMP,
		unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&s)))
	if e != 0 {
		return explain(op, e)
	}
	if uintptr(s.notif) != unsafe.Sizeof(notification{}) || uintptr(s.resp) != unsafe.Sizeof(response{}) {
		return &Error{Op: op, Kind: ErrUnsupported,
			Err: fmt.Errorf("the kernel says %d and %d bytes", s.notif, s.resp)}
	}
	return nil
}

// mayFilter says that the thread has CAP_SYS_ADMIN and so needs no no_new_privs,
// under which setuid programs would lose their privileges.
func mayFilter() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
