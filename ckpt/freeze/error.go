package freeze

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Error says what could not be done with a cgroup, and what helps.
type Error struct {
	Op     string // as "make cgroup"
	Path   string // of the cgroup, empty if none was found
	Err    error
	Remedy string // empty if there is none
}

func (e *Error) Error() string {
	s := e.Op
	if e.Path != "" {
		s += " " + e.Path
	}
	s += ": " + e.Err.Error()
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// fail wraps an error of the kernel's. It drops the operation and the path of an fs.PathError,
// as the path is that of a control file and the operation ours.
func fail(op, path string, err error) *Error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return &Error{op, path, err, remedy(path, err)}
}

func remedy(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "run it as root, or in a cgroup that is delegated to you (systemd-run --user --scope -p Delegate=yes)"
	case errors.Is(err, syscall.EROFS):
		return "mount the cgroup filesystem writable; a container needs the right to (docker run --privileged)"
	case errors.Is(err, fs.ErrExist):
		return "another group has it; if that is dead, remove the cgroup: rmdir " + path
	case errors.Is(err, syscall.EAGAIN):
		return "raise cgroup.max.descendants and cgroup.max.depth of the cgroups above"
	case errors.Is(err, syscall.EBUSY):
		return "end the processes in it first"
	}
	return ""
}

// StuckError says which tasks kept a group from becoming frozen or empty in time. Err is why that was
// given up, the cause of the context.
type StuckError struct {
	Op    string // "freeze" or "kill"
	Path  string
	Tasks []Task // may be empty if they were done meanwhile
	Err   error
}

func (e *StuckError) Error() string {
	if len(e.Tasks) == 0 {
		return fmt.Sprintf("%s cgroup %s: %v", e.Op, e.Path, e.Err)
	}
	const most = 4
	var names []string
	for i, t := range e.Tasks {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(e.Tasks)-most))
			break
		}
		names = append(names, t.String())
	}
	return fmt.Sprintf("%s cgroup %s: %v; it waits for %s", e.Op, e.Path, e.Err, strings.Join(names, ", "))
}

func (e *StuckError) Unwrap() error { return e.Err }
