package group

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CheckpointOptions say what checkpoint to make of a group.
type CheckpointOptions struct {
	Dir            string `msgpack:"dir"`                       // of the image, absolute; it must not exist or be empty
	LeaveRunning   bool   `msgpack:"leave_running,omitempty"`   // the group goes on after it
	TCPEstablished bool   `msgpack:"tcp_established,omitempty"` // keep open ordinary connections, for a restore on the same address
	Steps          bool   `msgpack:"steps,omitempty"`           // ask the client before each Step
}

// Progress tells how far a checkpoint or a restore is.
type Progress struct {
	Phase string `msgpack:"phase"`
	Done  int64  `msgpack:"done"`
	Total int64  `msgpack:"total"` // bytes; 0: not known
}

// CheckpointReport tells what a checkpoint has cost, and what is in it.
type CheckpointReport struct {
	Dir        string        `msgpack:"dir"`
	Running    bool          `msgpack:"running"`     // the group goes on
	Took       time.Duration `msgpack:"took"`        // in all
	Frozen     time.Duration `msgpack:"frozen"`      // the group stood still for so long, or until it ended
	Quiesce    time.Duration `msgpack:"quiesce"`     // of that, to freeze it and take its connections apart
	CRIU       time.Duration `msgpack:"criu"`        // of that, for CRIU's dump
	Pages      int64         `msgpack:"pages"`       // of memory in the image
	ImageBytes int64         `msgpack:"image_bytes"` // size of the image
	Processes  int           `msgpack:"processes"`
	Rocks      int           `msgpack:"rocks"`
	Sockets    int           `msgpack:"sockets"`   // of programs, that were drained
	Drained    int64         `msgpack:"drained"`   // bytes in them
	InFlight   int64         `msgpack:"in_flight"` // bytes in flight logs
	Warnings   []string      `msgpack:"warnings,omitempty"`
}

// ErrGivenUp says that a checkpoint was given up because its context was done: there is no image, and the group goes on.
var ErrGivenUp = errors.New("checkpoint given up")

// giveUpTime bounds how long a supervisor may take to give a checkpoint up.
const giveUpTime = 30 * time.Second

// Checkpoint has the group write itself into an image, and waits until it has. t is its part in that. If ctx is done before, the supervisor gives the checkpoint up and the error is [ErrGivenUp],
// unless it is too late for that: then there is a report as ever. If the connection to the supervisor
// breaks it gives up too. A group that has ended with it has made room when Checkpoint returns: it can be restored.
func (g *Group) Checkpoint(ctx context.Context, o CheckpointOptions, t Talk) (*CheckpointReport, error) {
	r, err := g.operate(ctx, Request{Op: OpCheckpoint, Checkpoint: &o}, nil, t)
	if err != nil {
		return nil, fmt.Errorf("checkpoint group %s: %w", g.ID, err)
	}
	if r.Report != nil && !r.Report.Running {
		g.waitGone(ctx)
	}
	return r.Report, nil
}
