package tracee

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Read fills b from the task's memory at addr. EFAULT if not all of it is
// readable. Kernels without process_vm_readv(2) are served through /proc/tid/mem.
func Read(tid int, addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := [1]unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := [1]unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMReadv(tid, local[:], remote[:], 0)
	if err == unix.ENOSYS {
		n, err = readMem(tid, addr, b)
	}
	return transferred("read", tid, n, len(b), err)
}

// Write copies b into the task's memory at addr. EFAULT if not all of it is
// writable by the task itself: page protection is honoured, as in a copy by the
// kernel. There is no way around process_vm_writev(2): /proc/tid/mem would write
// through the protection.
func Write(tid int, addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := [1]unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := [1]unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMWritev(tid, local[:], remote[:], 0)
	return transferred("write", tid, n, len(b), err)
}

// readMem reads through /proc/tid/mem. It returns bare errnos.
func readMem(tid int, addr uint64, b []byte) (int, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return 0, unix.ESRCH
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := unix.Pread(fd, b, int64(addr))
	if err == unix.EIO || err == unix.EINVAL { // not mapped; address beyond the sign bit
		return 0, unix.EFAULT
	}
	return n, err
}

// transferred judges a copy: a part is a fault at the first byte of the rest.
func transferred(what string, tid, n, want int, err error) error {
	if err == nil && n < want {
		err = unix.EFAULT
	}
	if err != nil {
		return fmt.Errorf("%s memory of task %d: %w", what, tid, err)
	}
	return nil
}
