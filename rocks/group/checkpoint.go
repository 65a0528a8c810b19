package group

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// CheckpointOptions say what checkpoint to make of a group.
type CheckpointOptions struct {
	Dir            string `msgpack:"dir"`                       // of the image, absolute; it must not exist or be empty
	LeaveRunning   bool   `msgpack:"leave_running,omitempty"`   // the group goes on after it
	TCPEstablished bool   `msgpack:"tcp_established,omitempty"` // keep open ordinary connections, for a restore on the same address
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

// Checkpoint has the group write itself into an image, and waits until it has. progress, which may be nil, is
// called meanwhile. If ctx is done before, the supervisor gives the checkpoint up and the error is [ErrGivenUp],
// unless it is too late for that: then there is a report as ever. If the connection to the supervisor
// breaks it gives up too.
func (g *Group) Checkpoint(ctx context.Context, o CheckpointOptions, progress func(Progress)) (*CheckpointReport, error) {
	var report *CheckpointReport
	err := g.converse(ctx, Request{Version: Version, Op: OpCheckpoint, Checkpoint: &o}, giveUpTime, func(r *Reply) bool {
		if r.Progress != nil && progress != nil {
			progress(*r.Progress)
		}
		report = r.Report
		return r.Report == nil
	})
	if refused := (*refusal)(nil); errors.As(err, &refused) && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint group %s: %w", g.ID, err)
	}
	return report, nil
}

// refusal is an error that the supervisor has answered.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

// converse sends a request and gives its replies to next, until that returns false. When ctx is done it tells the
// supervisor, by closing its half of the connection, and waits for a last reply only for the time patience.
func (g *Group) converse(ctx context.Context, q Request, patience time.Duration, next func(*Reply) bool) error {
	short, done, err := shortPath(g.socket)
	if err != nil {
		return err
	}
	defer done()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", short)
	if err != nil {
		return noAnswer(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Now().Add(patience))
		_ = conn.(*net.UnixConn).CloseWrite()
	})()
	if err := writeMessage(conn, &q, MaxRequest); err != nil {
		return noAnswer(err)
	}
	for {
		var r Reply
		if err := readMessage(conn, &r, MaxReply); err != nil {
			return errors.Join(context.Cause(ctx), noAnswer(err))
		}
		if r.Error != "" {
			return &refusal{r.Error}
		}
		if r.Version != Version {
			return fmt.Errorf("the supervisor speaks control protocol version %d, this program %d", r.Version, Version)
		}
		if !next(&r) {
			return nil
		}
	}
}
