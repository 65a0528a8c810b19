package supervise

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
	"rock/rocks/interpose/seccomp"
)

// unblocked are the signals that Go's runtime unblocks in every thread, and so in every child.
var unblocked = stage.SignalSet(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT,
	unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGTERM, unix.SIGSTKFLT, unix.SIGCHLD, unix.SIGURG,
	unix.SIGPROF, unix.SIGSYS, 32, 33, 34)

// needed are the signals that this process cannot ignore for the command's sake: it waits for
// children, and Go's runtime needs the others.
var needed = stage.SignalSet(unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, unix.SIGILL, unix.SIGTRAP,
	unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGSYS)

// inheritable returns the signals that this process ignores so that the command inherits that, and
// whether the command then starts exactly as the plan says. If not (which is rare: who blocks SIGTERM or
// ignores SIGCHLD for a command?) it goes through the stage Exec.
func inheritable(p stage.Plan) (direct stage.Sigset, exact bool) {
	return p.Ignored &^ needed, p.Ignored&needed == 0 && p.Mask&unblocked == 0
}

// viaExec returns what to start instead of the command: this program, which becomes it.
func viaExec(p stage.Plan, command []string) (path string, argv, env []string) {
	return stage.Command(stage.Stage{Kind: stage.Exec, FD: -1, Arg: fmt.Sprintf("%v %v", p.Mask, p.Ignored)}, command)
}

// Exec is the stage Exec: it sets signal mask and dispositions as arg says and becomes the
// command. It returns an exit status if that fails, having said why.
func Exec(arg string, command []string, stderr io.Writer) int {
	maskText, ignoredText, _ := strings.Cut(arg, " ")
	mask, err := stage.ParseSigset(maskText)
	ignored, err2 := stage.ParseSigset(ignoredText)
	if err != nil || err2 != nil || len(command) == 0 {
		fmt.Fprintf(stderr, "rock: stage %s started with %q\n", stage.Exec, arg)
		return 125
	}
	err = become(mask, ignored, command)
	fmt.Fprintf(stderr, "rock: %v\n", err)
	return failure(err).Status
}

func become(mask, ignored stage.Sigset, command []string) error {
	runtime.LockOSThread()
	stage.SetMask(stage.AllSignals) // from here on no handler of Go's runs that was replaced below
	for sig := range ignored.All() {
		if err := stage.SetDisposition(sig, stage.Ignore); err != nil {
			return err
		}
	}
	stage.SetMask(mask)
	return seccomp.Become(seccomp.Process{Path: command[0], Args: command})
}
