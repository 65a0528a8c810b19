package supervise

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"syscall"
	"time"

	"rock/rocks"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/interpose"
)

// Checkpointer is what the supervisor needs of package ckpt, which is above it: the command hands it in.
type Checkpointer interface {
	// NewCell makes the place where the processes of the group id live. Its error says what to do.
	NewCell(id string) (Cell, error)
	// OpenCell opens one that was made by a process that has died.
	OpenCell(path string) (Cell, error)
	// Checkpoint writes a group into an image. If that fails the group goes on.
	Checkpoint(ctx context.Context, s Subject, o group.CheckpointOptions, progress func(group.Progress)) (*group.CheckpointReport, error)
	// Migrate hands a group over to another host, which is reached through link, and closes that. If that fails the
	// group goes on.
	Migrate(ctx context.Context, s Subject, o group.MigrateOptions, link io.ReadWriteCloser, d group.Dialogue) (*group.MigrateReport, *Moved, error)
	// Guard is the work of a process of its own: it waits for the end of watches, and does what the last one
	// says, for a supervisor that has died. It returns when that is done.
	Guard(watches <-chan Watch)
	// Prune keeps the newest images in dir whose names begin with prefix, and removes the others.
	Prune(dir, prefix string, keep int) error
	// Open opens an image, to be restored. It calls progress meanwhile and while the image is restored, maybe from
	// several goroutines, but one call at a time; the last is for the phase "run", just before the processes do.
	Open(ctx context.Context, r stage.Restore, progress func(group.Progress)) (Restorer, error)
}

// Cell holds the processes of a group and nothing else.
type Cell interface {
	// Around arranges that the processes which start starts on this thread, with the attributes sys, are
	// in the cell from the beginning.
	Around(sys *syscall.SysProcAttr, start func() error) error
	Pids() ([]int, error)
	Freeze(ctx context.Context, nudge func()) error
	Thaw(ctx context.Context) error
	Kill(ctx context.Context) error
	// Mark notes for whoever finds the cell, should this process die, that its processes live elsewhere. Unmark takes that back.
	Mark() error
	Unmark() error
	Marked() bool
	Frozen() (bool, error)
	Remove() error
	Path() string // of the cgroup
}

// Subject is a group to be checkpointed. It must not be checkpointed twice at a time.
type Subject struct {
	ID, Name   string
	Command    []string
	Started    time.Time
	Root       int // pid of the command, a session leader
	Cell       Cell
	Interposer *interpose.Interposer // nil: runs without rocks
	Inherited  []string              // pipes that the command was started with, as in /proc/PID/fd: "pipe:[123]"
	Terminal   uint64                // rdev of the terminal made for the group; 0: none
	Logger     *slog.Logger
	// Step is called when a step has been done, one of group.StepFrozen and so on; an error gives the operation up.
	// It may be nil.
	Step  func(ctx context.Context, point string) error
	Guard *GuardProcess // sees to the group if this process dies; nil for none
	// Ending is called when the image is in its place and the processes are about to be killed: from here on the image
	// is the group, whatever happens. Not called if the group is to go on.
	Ending func()
}

// Moved says where a group is now.
type Moved struct {
	Host   string           // its name
	Resume []netip.AddrPort // where peers find it
	Rocks  []*rocks.State   // which it took along
}

// Restorer restores one image.
type Restorer interface {
	Identity() Identity
	// Restore brings the processes back, as children of this process. Nothing is left of them if
	// it fails.
	Restore(ctx context.Context, job RestoreJob) (*Restored, error)
	Close() error
}

// Identity is what the image says of the group.
type Identity struct {
	ID, Name string
	Command  []string
	Port     uint16 // where its supervisor listened for peers that resume; 0: not known
}

// RestoreJob is what a restore works with.
type RestoreJob struct {
	Cell     Cell
	Config   interpose.Config // with an endpoint of its own
	Standard [3]*os.File      // for pipes to the outside at these descriptors; nil entries: /dev/null
	Terminal *os.File         // slave of the terminal, nil without
	Logger   *slog.Logger
	// Ready is called when all is restored and does not run yet; an error gives the restore up. It may be nil.
	Ready func(ctx context.Context) error
}

// Restored is a group that runs again.
type Restored struct {
	Root       int
	Interposer *interpose.Interposer
	Warnings   []string
}
