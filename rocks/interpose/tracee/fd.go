package tracee

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrOtherTable: the thread has a descriptor table of its own and the kernel is too
// old to reach it (before 6.9). The call must be left to the kernel.
var ErrOtherTable = errors.New("the thread does not share its process's descriptors")

// GetFD returns a duplicate, close-on-exec, of descriptor fd of the task; the
// caller closes it, soon: as long as it is open the program's close sends no FIN.
// EBADF if the task has no such descriptor, EPERM if access is refused.
func GetFD(tid, fd int) (int, error) {
	dup, err := getFD(tid, fd)
	if err != nil {
		return -1, fmt.Errorf("fetch descriptor %d of task %d: %w", fd, tid, err)
	}
	return dup, nil
}

func getFD(tid, fd int) (int, error) {
	pidfd, err := unix.PidfdOpen(tid, unix.PIDFD_THREAD)
	if err == unix.EINVAL {
		pidfd, err = openProcess(tid)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	return unix.PidfdGetfd(pidfd, fd, 0)
}

// openProcess returns a pidfd of the process that the task belongs to, for
// kernels that have none for threads. The process's descriptors are those of its
// main thread; a thread may have others under the same numbers.
func openProcess(tid int) (int, error) {
	if pidfd, err := unix.PidfdOpen(tid, 0); err == nil {
		return pidfd, nil // the main thread
	}
	s, err := readStatus(tid)
	if err != nil {
		return -1, err
	}
	const kcmpFiles = 2 // KCMP_FILES, linux/kcmp.h
	differ, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(tid), uintptr(s.tgid), kcmpFiles, 0, 0, 0)
	if e != 0 {
		return -1, fmt.Errorf("compare descriptor tables: %w", e)
	}
	if differ != 0 {
		return -1, ErrOtherTable
	}
	return unix.PidfdOpen(s.tgid, 0)
}

// Flags returns the flags of descriptor fd of the task: those of open(2) and
// fcntl(2) F_GETFL (O_NONBLOCK, ...), and O_CLOEXEC, which a duplicate cannot
// tell. EBADF if the task has no such descriptor.
func Flags(tid, fd int) (int, error) {
	b, err := readProc("/proc/" + strconv.Itoa(tid) + "/fdinfo/" + strconv.Itoa(fd))
	if err == unix.ESRCH {
		if unix.Kill(tid, 0) != unix.ESRCH {
			err = unix.EBADF
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read flags of descriptor %d of task %d: %w", fd, tid, err)
	}
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(v)), 8, 32)
			if err == nil {
				return int(n), nil
			}
		}
	}
	return 0, fmt.Errorf("read flags of descriptor %d of task %d: no flags in fdinfo", fd, tid)
}

// CloseOnExec says whether descriptor fd of the task closes on exec.
func CloseOnExec(tid, fd int) (bool, error) {
	flags, err := Flags(tid, fd)
	return flags&unix.O_CLOEXEC != 0, err
}
