package seccomp

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Process is a command to start. Path without a slash is looked for in the PATH
// of Env, as execvp(3) does. Args includes the program's own name; Env nil means
// this process's environment; Dir empty its directory. Files become descriptors
// 0, 1, 2, ...; nil entries, and 0 to 2 if missing, are closed in the command. Sys may
// set Setpgid, Pgid, Foreground, Credential and so on, but neither Pdeathsig nor
// Ptrace: they tie the command to the thread that started it, which ends at once.
type Process struct {
	Path  string
	Args  []string
	Env   []string
	Dir   string
	Files []*os.File
	Sys   *syscall.SysProcAttr
	// Around, if not nil, is called on the thread that forks, to call start, which does. It may change Sys before.
	Around func(start func() error) error
}

// Start starts p under the filter. The command begins with the signal mask that
// this process was started with and inherits no descriptor but Files, and those
// that this process inherited itself without close-on-exec. Its calls wait until
// somebody receives from the listener.
//
// A command that cannot be executed gives an *[ExecError] (ErrNotFound or
// ErrNotExecutable), a machine that does not allow interposition an *[Error].
// The caller waits for the process; it also owns the listener.
func Start(p Process) (*os.Process, *Listener, error) {
	if p.Sys != nil && (p.Sys.Pdeathsig != 0 || p.Sys.Ptrace) {
		return nil, nil, errors.New("start command: Pdeathsig and Ptrace are bound to a thread that ends at once")
	}
	if p.Dir != "" {
		if err := checkDir(p.Dir); err != nil {
			return nil, nil, err
		}
	}
	path, err := lookPath(p.Path, p.Env)
	if err != nil {
		return nil, nil, err
	}
	var proc *os.Process
	l, err := Under(func(*Listener) error {
		proc, err = exec(path, p)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return proc, l, nil
}

// exec forks and executes on this thread. A file that is executable but of no
// known format is a script for the shell, as for execvp(3).
func exec(path string, p Process) (*os.Process, error) {
	if p.Around == nil {
		return fork(path, p)
	}
	var proc *os.Process
	err := p.Around(func() (err error) {
		proc, err = fork(path, p)
		return err
	})
	return proc, err
}

func fork(path string, p Process) (*os.Process, error) {
	attr := &os.ProcAttr{Dir: p.Dir, Env: p.Env, Files: p.Files, Sys: p.Sys}
	proc, err := os.StartProcess(path, p.Args, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		proc, err = os.StartProcess(shell, shellArgs(path, p.Args), attr)
	}
	if err != nil {
		return nil, execError(path, err)
	}
	return proc, nil
}

// shell executes files of no known format.
const shell = "/bin/sh"

// shellArgs makes the shell execute a file with the arguments that were meant for it.
func shellArgs(file string, args []string) []string {
	return append([]string{shell, file}, args[min(1, len(args)):]...)
}

func checkDir(dir string) error {
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		err = &os.PathError{Op: "chdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("start command: %w", err)
	}
	return nil
}

// execError sorts the errors of fork and exec. What only execve(2) gives for a
// bad file becomes an ExecError; the rest (EAGAIN of fork, EPERM of setpgid, ...)
// is no fault of the command.
func execError(path string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		switch errno {
		case syscall.ENOENT:
			return &ExecError{Path: path, Kind: ErrNotFound, Err: errno}
		case syscall.EACCES, syscall.ENOEXEC, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP,
			syscall.ETXTBSY, syscall.E2BIG, syscall.ELIBBAD, syscall.ENAMETOOLONG, syscall.EIO:
			return &ExecError{Path: path, Kind: ErrNotExecutable, Err: errno}
		}
	}
	return fmt.Errorf("start command: %w", err)
}
