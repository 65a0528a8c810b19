package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is the file system of a host, below a directory that is "/" but in tests. Paths in it are absolute. Symbolic links
// are not followed.
type Tree struct{ Root string }

// placeError says that a path is not what it is on the other host.
type placeError struct {
	path string
	is   string // "a symbolic link"
}

func (e *placeError) Error() string { return fmt.Sprintf("%s is %s here", e.path, e.is) }

// openFolder opens what is only walked through.
const openFolder = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// folder opens a directory, for system calls that take one. The error is a *placeError if something on the way is not
// a directory.
func (t Tree) folder(path string) (*os.File, error) {
	f, at, err := t.nearest(path)
	if err == nil && at != path {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	return f, err
}

// nearest opens the directory if it is there, else the one that is the nearest above it, and says which.
func (t Tree) nearest(path string) (f *os.File, at string, err error) {
	fd, err := unix.Open(t.Root, openFolder, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open %s: %w", t.Root, err)
	}
	at = "/"
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		next, err := unix.Openat(fd, name, openFolder, 0)
		if errors.Is(err, unix.ENOENT) {
			break
		}
		to := filepath.Join(at, name)
		if err != nil {
			err = explain(fd, name, to, err)
			unix.Close(fd)
			return nil, "", err
		}
		unix.Close(fd)
		fd, at = next, to
	}
	return os.NewFile(uintptr(fd), at), at, nil
}

// explain says why a name is not that of a directory that can be opened.
func explain(dir int, name, path string, err error) error {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &placeError{path, kindOf(st.Mode)}
	}
	return &os.PathError{Op: "open", Path: path, Err: err}
}

// kindOf describes what a file is.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	}
	return "a special file"
}

// open opens a regular file.
func (t Tree) open(path string, flags int) (*os.File, *unix.Stat_t, error) {
	dir, err := t.folder(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	// Neither a FIFO nor a lease is waited for.
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		unix.Close(fd)
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), &st, nil
}

// stat looks at what has a name in a directory; nil if nothing has.
func stat(dir *os.File, name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "stat", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return &st, nil
}

// remove removes what is no directory, if it is there.
func (t Tree) remove(path string) error {
	dir, err := t.folder(filepath.Dir(path))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return unlink(dir, filepath.Base(path))
}

// unlink removes what has a name in a directory and is none itself, if it is there.
func unlink(dir *os.File, name string) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return nil
}
