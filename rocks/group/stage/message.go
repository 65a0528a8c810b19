package stage

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Message is one of the types below; see the package comment for who sends what.
type Message interface{ kind() byte }

// Plan tells the supervisor what to do. It comes with the log file, if there is
// one. The arguments of the command are those of the supervisor itself.
type Plan struct {
	Name    string        // of the group, "" for none
	Timeout time.Duration // of rocks, 0 as configured
	Front   int           // pid of the front
	Parent  int           // pid of its parent
	Group   int           // process group of the front, which the command joins
	Mask    Sigset        // signals that the command starts with blocked
	Ignored Sigset        // and ignored
	Files   []int         // descriptors above 2 that the user gave, for the command only
}

// Started says that the command runs. It comes with a pidfd of the command, a
// duplicate of the seccomp listener and the file of its seccomp.Progress, where there
// are such: see Handles.
type Started struct {
	Pid     int
	Joined  Moment   // when it certainly was in the front's process group
	Group   string   // id of the group, "" if it could not be registered
	Warning []string // lines for the user, each telling of something that rock does without
	Handles Handles
}

// A Moment is a time that processes of this host can compare: nanoseconds of CLOCK_MONOTONIC.
type Moment int64

// Now returns the present moment.
func Now() Moment {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail
	return Moment(t.Nano())
}

// Handles says which descriptors came with Started, in this order.
type Handles struct{ Pidfd, Listener, Progress bool }

// Sort returns which of files is which, nil for what did not come.
func (h Handles) Sort(files []*os.File) (pidfd, listener, progress *os.File) {
	take := func(came bool) (f *os.File) {
		if came && len(files) > 0 {
			f, files = files[0], files[1:]
		}
		return f
	}
	pidfd = take(h.Pidfd)
	listener = take(h.Listener)
	return pidfd, listener, take(h.Progress)
}

// Failed says that the command does not run.
type Failed struct {
	Status int    // exit status for the front: 125, 126 or 127
	Reason string // one line for the user
}

// Stopped says that the command was stopped by Signal.
type Stopped struct{ Signal int }

// Continued says that the command runs again.
type Continued struct{}

// Exited says that the command has ended, with a status as wait4(2) has it.
type Exited struct{ Status unix.WaitStatus }

func (Plan) kind() byte      { return 'p' }
func (Started) kind() byte   { return 's' }
func (Failed) kind() byte    { return 'f' }
func (Stopped) kind() byte   { return 't' }
func (Continued) kind() byte { return 'c' }
func (Exited) kind() byte    { return 'x' }
