package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// variable names the environment variable that tells a process its stage.
const variable = "ROCK_STAGE"

// Kind is a stage other than the front.
type Kind string

const (
	Supervisor Kind = "supervisor" // descriptor: its Channel; arguments: the command
	Heir       Kind = "heir"       // descriptor: the estate of a supervisor that has died; arguments: the command
	Keeper     Kind = "keeper"     // descriptor: a seccomp listener to answer
	Guard      Kind = "guard"      // descriptor: its Channel
	Exec       Kind = "exec"       // sets signal mask and dispositions, then executes the command
)

// A Stage is what a process of rock was started as.
type Stage struct {
	Kind Kind
	FD   int    // the descriptor handed to it, -1 if none
	Arg  string // for Exec: what to set
}

// self is the file of this program, also after it was replaced or removed.
const self = "/proc/self/exe"

// Current returns the stage that this process was started as and forgets it, so
// that programs started from here do not inherit it. It returns false in a process
// that the user started. It must be called before anything else starts a process.
func Current() (Stage, bool) {
	v, ok := os.LookupEnv(variable)
	if !ok {
		return Stage{}, false
	}
	_ = os.Unsetenv(variable) // fails only for a malformed name
	kind, rest, _ := strings.Cut(v, " ")
	num, arg, _ := strings.Cut(rest, " ")
	fd, err := strconv.Atoi(num)
	if err != nil {
		return Stage{}, false // not ours: somebody else uses the name
	}
	switch Kind(kind) {
	case Supervisor, Heir, Keeper, Guard, Exec:
	default:
		return Stage{}, false
	}
	if fd >= 0 {
		unix.CloseOnExec(fd)
	}
	return Stage{Kind: Kind(kind), FD: fd, Arg: arg}, true
}

// Command returns path, arguments and environment that start this program as s,
// with args behind its own name.
func Command(s Stage, args []string) (path string, argv, env []string) {
	v := fmt.Sprintf("%s=%s %d", variable, s.Kind, s.FD)
	if s.Arg != "" {
		v += " " + s.Arg
	}
	argv = append([]string{"rock-" + string(s.Kind)}, args...)
	return self, argv, append(os.Environ(), v)
}

// Start starts this program as s with the standard descriptors files. The
// descriptor s.FD is passed on and stays open here. All other descriptors that are
// not close-on-exec are inherited too.
func Start(s Stage, args []string, files []uintptr, sys *syscall.SysProcAttr) (pid int, err error) {
	path, argv, env := Command(s, args)
	if s.FD >= 0 {
		if err := inherit(s.FD, true); err != nil {
			return 0, fmt.Errorf("start %s: %w", s.Kind, err)
		}
		defer inherit(s.FD, false)
	}
	pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: files, Sys: sys})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", s.Kind, err)
	}
	return pid, nil
}

// inherit says whether a descriptor survives exec.
func inherit(fd int, yes bool) error {
	flags := unix.FD_CLOEXEC
	if yes {
		flags = 0
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	return err
}

// Title sets the name of this process in ps and /proc/PID/comm: the kernel took it
// from the path that was executed. At most 15 bytes count.
func Title(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}
