package seccomp

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookPath finds a command by name as execvp(3) does: a file that may not be
// executed is passed over, but remembered if nothing better comes. os/exec will
// not do: it forgets, and so cannot tell exit status 126 from 127.
func lookPath(name string, env []string) (string, error) {
	if name == "" {
		return "", &ExecError{Path: "''", Kind: ErrNotFound, Err: syscall.ENOENT}
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	var found error = syscall.ENOENT
	for _, dir := range filepath.SplitList(searchPath(env)) {
		if dir == "" {
			dir = "."
		}
		file := filepath.Join(dir, name)
		if !strings.Contains(file, "/") {
			file = "./" + file
		}
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if err == syscall.EACCES {
			found = err
		}
	}
	return "", execError(name, found)
}

// searchPath returns PATH, or the kernel's and libc's default without one.
func searchPath(env []string) string {
	if env == nil {
		env = os.Environ()
	}
	for _, e := range env { // the first one counts, as for getenv(3)
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			return v
		}
	}
	return "/bin:/usr/bin"
}

func executable(file string) error {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}
