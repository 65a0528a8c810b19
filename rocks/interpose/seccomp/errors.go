package seccomp

import (
	"errors"
	"strings"
)

// What callers decide on; compare with errors.Is.
var (
	// ErrEnded: no task under the filter is left; the listener is of no more use.
	ErrEnded = errors.New("no task of the group is left")
	// ErrGone: the call is no longer waiting (its task died, or a signal
	// interrupted it under a listener that is not killable). What was made for
	// the answer belongs to the caller again.
	ErrGone = errors.New("the call is gone")
	// ErrClosed: the listener was closed here.
	ErrClosed = errors.New("listener closed")

	// ErrNested: an ancestor is already supervised by a seccomp listener.
	ErrNested = errors.New("another seccomp listener is already in force for this process")
	// ErrUnsupported: the kernel, or what stands in for it, lacks user notification.
	ErrUnsupported = errors.New("the kernel does not support seccomp user notification")
	// ErrForbidden: a policy (container profile, LSM) refuses the filter or its ioctls.
	ErrForbidden = errors.New("seccomp user notification is forbidden here")
	// ErrNoAccess: the filter works but descriptors and memory of the command
	// cannot be reached (pidfd_getfd, process_vm_readv).
	ErrNoAccess = errors.New("access to the command's descriptors is forbidden here")

	// ErrNotFound: there is no such command (shells exit with 127).
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable: the command exists but cannot be executed (shells exit with 126).
	ErrNotExecutable = errors.New("command cannot be executed")
)

// Error says why interposition is not possible here: what was attempted, why it
// is refused and what to do about it.
type Error struct {
	Op     string // what was attempted
	Kind   error  // ErrNested, ErrUnsupported, ErrForbidden or ErrNoAccess
	Err    error  // the kernel's answer, may be nil
	Remedy string // what to do, may be empty
}

// Error returns one line with all parts.
func (e *Error) Error() string {
	parts := []string{e.Op, e.Kind.Error()}
	if e.Err != nil {
		parts[1] += " (" + e.Err.Error() + ")"
	}
	if e.Remedy != "" {
		parts = append(parts, e.Remedy)
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives errors.Is both the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// ExecError is a command that could not be executed. It matches ErrNotFound or
// ErrNotExecutable, and the errno.
type ExecError struct {
	Path string
	Kind error // ErrNotFound or ErrNotExecutable
	Err  error // the errno of execve(2)
}

// Error names the command and the reason.
func (e *ExecError) Error() string {
	if e.Kind == ErrNotFound {
		return e.Path + ": " + e.Kind.Error()
	}
	return e.Path + ": " + e.Kind.Error() + ": " + e.Err.Error()
}

// Unwrap gives errors.Is both the kind and the cause.
func (e *ExecError) Unwrap() []error { return []error{e.Kind, e.Err} }
