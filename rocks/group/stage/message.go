package stage

import (
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Message is one of the types below; see the package comment for who sends what.
type Message interface{ kind() byte }

// Plan tells the supervisor what to do. It comes with the log file and the ends of a
// terminal, where there are such: see PlanHandles. The arguments of the command are those
// of the supervisor itself.
type Plan struct {
	Name    string        // of the group, "" for none
	Timeout time.Duration // of rocks, 0 as configured
	Front   int           // pid of the front
	Parent  int           // pid of its parent
	Group   int           // process group of the front, which the command joins if it has no session of its own
	Mask    Sigset        // signals that the command starts with blocked
	Ignored Sigset        // and ignored
	Files   []int         // descriptors above 2 that the user gave, for the command only

	Periodic       *Periodic // checkpoints to be made while the command runs, nil for none
	Localhost      bool      // its suspended rocks reconnect to localhost
	Checkpointable bool      // the command leads a session of its own, and can be checkpointed
	Restore        *Restore  // what to restore instead of starting a command, nil for a command
	Terminal       []int     // which of the descriptors 0 to 2 are the slave of a terminal made for the command
	Detached       bool      // the front leaves when all runs, and that is no reason to end
	Handles        PlanHandles
}

// OwnSession says whether the command leads a session of its own.
func (p *Plan) OwnSession() bool { return p.Checkpointable || p.Restore != nil }

// Periodic says what checkpoints are made of a group while it runs.
type Periodic struct {
	Every time.Duration
	Dir   string // of the images, absolute
	Keep  int    // how many of them, the newest
}

// Restore says what to restore. Such a group is checkpointable again.
type Restore struct {
	Dir     string // of the image, absolute
	Hold    bool   // say Ready when all is restored, and wait for Go
	Options []byte // more, for whom it concerns; front and stage do not look into it
}

// PlanHandles says which descriptors come with a Plan, in this order: the log file; the slave of a
// terminal for what is restored; and its master if nobody carries what is shown there.
type PlanHandles struct{ Log, Slave, Master bool }

// Sort returns which of files is which, nil for what did not come.
func (h PlanHandles) Sort(files []*os.File) (log, slave, master *os.File) {
	came := sortFiles(files, h.Log, h.Slave, h.Master)
	return came[0], came[1], came[2]
}

// Started says that the command runs. It comes with a pidfd of the command, a
// duplicate of the seccomp listener and the file of its seccomp.Progress, where there
// are such: see Handles.
type Started struct {
	Pid     int
	Joined  Moment   // when it certainly was in the front's process group, if it is to be
	Group   string   // id of the group, "" if it could not be registered
	Cell    string   // where its processes can be frozen, for who must thaw them if the supervisor dies; "" if not
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
	came := sortFiles(files, h.Pidfd, h.Listener, h.Progress)
	return came[0], came[1], came[2]
}

// sortFiles puts files into the places that are true.
func sortFiles(files []*os.File, places ...bool) []*os.File {
	sorted := make([]*os.File, len(places))
	for i, came := range places {
		if came && len(files) > 0 {
			sorted[i], files = files[0], files[1:]
		}
	}
	return sorted
}

// Progress tells how far a restore is, in the terms of group.Progress.
type Progress struct {
	Phase       string
	Done, Total int64
}

// Ready says that all is restored, but does not run yet. The supervisor waits for Go.
type Ready struct {
	Resume []netip.AddrPort // where peers find the group
}

// Go, which the front sends, lets what is restored run.
type Go struct{}

// Failed says that the command does not run.
type Failed struct {
	Status int    // exit status for the front: 125, 126 or 127
	Reason string // one line for the user
}

// Inherited says that the supervisor died and another goes on in its place, which is not the command's parent: the front is
// now, and tells what it learns of the command by Waited.
type Inherited struct{}

// Waited, which the front sends after Inherited, says what has happened to the command, as wait4(2) has it.
type Waited struct{ Status unix.WaitStatus }

// Stopped says that the command was stopped by Signal.
type Stopped struct{ Signal int }

// Continued says that the command runs again.
type Continued struct{}

// Exited says that the command has ended, with a status as wait4(2) has it.
type Exited struct{ Status unix.WaitStatus }

// Checkpointed says that the group was written into the image Dir, and has ended.
type Checkpointed struct{ Dir string }

// Migrated says that the group lives on another host, and has ended here.
type Migrated struct{ Host string }

// Watch tells a guard what a group is in the middle of, and so what is to be done if no other Watch comes before the end of the
// Channel.
type Watch struct {
	Cell  string // where the processes are
	Phase Phase
}

// Phase is what a group is in the middle of.
type Phase string

const (
	PhaseStill    Phase = "still"    // it stands still here: it goes on
	PhaseDeciding Phase = "deciding" // it is marked and about to be handed over. Comes with the transport: read, write
	PhaseDoubt    Phase = "doubt"    // it may be elsewhere, and somebody else must say so: it stays as it is
	PhaseGone     Phase = "gone"     // it is elsewhere: what is left here ends
	PhaseOver     Phase = "over"     // it is done: the guard ends
)

func (Plan) kind() byte         { return 'p' }
func (Started) kind() byte      { return 's' }
func (Progress) kind() byte     { return 'g' }
func (Ready) kind() byte        { return 'r' }
func (Go) kind() byte           { return 'o' }
func (Failed) kind() byte       { return 'f' }
func (Stopped) kind() byte      { return 't' }
func (Continued) kind() byte    { return 'c' }
func (Exited) kind() byte       { return 'x' }
func (Checkpointed) kind() byte { return 'k' }
func (Migrated) kind() byte     { return 'm' }
func (Watch) kind() byte        { return 'w' }
func (Inherited) kind() byte    { return 'i' }
func (Waited) kind() byte       { return 'a' }
