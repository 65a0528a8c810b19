package seccomp

import (
	"errors"
	"os"
	"syscall"
)

// StartOrdinary starts p as [Start] does, but without the filter: for a machine that does not
// allow interposition. Its errors are those of Start.
func StartOrdinary(p Process) (*os.Process, error) {
	path, err := lookPath(p.Path, p.Env)
	if err != nil {
		return nil, err
	}
	return exec(path, p)
}

// Become replaces this process by p, of which only path, arguments and environment count. If it
// returns, the error is one of Start.
func Become(p Process) error {
	path, err := lookPath(p.Path, p.Env)
	if err != nil {
		return err
	}
	env := p.Env
	if env == nil {
		env = os.Environ()
	}
	err = syscall.Exec(path, p.Args, env)
	if errors.Is(err, syscall.ENOEXEC) {
		err = syscall.Exec(shell, shellArgs(path, p.Args), env)
	}
	return execError(path, err)
}
