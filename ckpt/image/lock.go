package image

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock locks an open directory (flock(2)); its closing unlocks it. With LOCK_NB the error is EWOULDBLOCK if
// somebody else has it.
func lock(dir *os.File, how int) error {
	for {
		err := unix.Flock(int(dir.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// openDir opens a directory, not by way of a symbolic link.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// is says whether a path leads to this open directory.
func is(path string, dir *os.File) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	here, err := dir.Stat()
	return err == nil && os.SameFile(there, here)
}

// syncDir makes durable what was made, renamed or removed in a directory.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
