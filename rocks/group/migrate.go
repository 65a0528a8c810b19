package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// MigrateOptions say where a group is to go, and how. The connection to the other host comes as two descriptors.
type MigrateOptions struct {
	Token     string   `msgpack:"token"`                // names this migration at both ends
	Host      string   `msgpack:"host"`                 // where it goes, as the user said it: for messages
	Localhost bool     `msgpack:"localhost,omitempty"`  // its rocks look for their peers there too
	DryRun    bool     `msgpack:"dry_run,omitempty"`    // only look
	CopyFiles bool     `msgpack:"copy_files,omitempty"` // take the files along that are open
	CopyPaths []string `msgpack:"copy_paths,omitempty"` // and these, relative to the working directory
	Steps     bool     `msgpack:"steps,omitempty"`      // ask the client before each Step
}

// MigrateReport tells what a migration has cost, or with DryRun what stands in its way.
type MigrateReport struct {
	To        string        `msgpack:"to"`         // name of the host, as it calls itself
	Took      time.Duration `msgpack:"took"`       // in all
	Frozen    time.Duration `msgpack:"frozen"`     // the group stood still for so long, until it was said to run there
	Quiesce   time.Duration `msgpack:"quiesce"`    // of that, to come to rest
	CRIU      time.Duration `msgpack:"criu"`       // of that, for CRIU's dump
	Bytes     int64         `msgpack:"bytes"`      // that were sent: of memory, the image and the files
	Precopied int64         `msgpack:"precopied"`  // of that, memory that was sent before it stood still
	Sent      int64         `msgpack:"sent"`       // Bytes, compressed
	Recalled  int64         `msgpack:"recalled"`   // bytes of the image that need not be sent because of that
	Rounds    int           `msgpack:"rounds"`     // how often its memory was read for that
	Pages     int64         `msgpack:"pages"`      // of memory
	Processes int           `msgpack:"processes"`  //
	Rocks     int           `msgpack:"rocks"`      //
	Sockets   int           `msgpack:"sockets"`    // of programs, that were drained
	Drained   int64         `msgpack:"drained"`    // bytes in them
	Files     int           `msgpack:"files"`      // that were taken along
	FileBytes int64         `msgpack:"file_bytes"` // in them
	Problems  []string      `msgpack:"problems"`   // with DryRun: why it would fail
	Warnings  []string      `msgpack:"warnings"`   //
}

// Questions that an operation asks its client.
const (
	// QuestionStep: may it go on behind Point? The answer is AnswerGo; a client that does not want it leaves.
	QuestionStep = "step"
	// QuestionOutcome: did the group of the migration Token come to life on the other host? The connection broke when that was
	// decided. The answer is AnswerRuns or AnswerNever, which says that it never will.
	QuestionOutcome = "outcome"
)

// Answers to questions.
const (
	AnswerGo    = "go"
	AnswerRuns  = "runs"
	AnswerNever = "never"
)

// Points that an operation with Steps comes to.
const (
	StepFrozen = "frozen" // the group stands still
	StepQuiet  = "quiet"  // its connections are at rest
	StepReady  = "ready"  // all that can fail has been done
)

// Question is what an operation needs to know from its client.
type Question struct {
	What  string `msgpack:"what"`
	Point string `msgpack:"point,omitempty"` // of a QuestionStep
	Token string `msgpack:"token,omitempty"` // of a QuestionOutcome
	Host  string `msgpack:"host,omitempty"`  // of a QuestionOutcome, as MigrateOptions.Host
}

// Talk is the client's part in an operation. Its functions are called one at a time. Progress may be nil; so may Answer, if nothing
// can be asked.
type Talk struct {
	Progress func(Progress)
	Answer   func(context.Context, Question) (string, error)
}

// Transport is a connection to another host: one file to read from and one to write to. A nil file is none.
type Transport struct{ From, To *os.File }

// Read reads what came from there. It blocks, until Close.
func (t Transport) Read(b []byte) (int, error) { return t.From.Read(b) }

// Write sends b there. It blocks, until Close.
func (t Transport) Write(b []byte) (int, error) { return t.To.Write(b) }

// Close ends reads and writes that wait, if the files do not block.
func (t Transport) Close() error { return errors.Join(t.From.Close(), t.To.Close()) }

// Migrate has the group go to another host, and waits until it has. The connection to that host is the supervisor's from now on,
// and closed here. If ctx is done before it is
// decided, the supervisor gives up and the error is [ErrGivenUp]: the group goes on here, as after any
// error.
func (g *Group) Migrate(ctx context.Context, o MigrateOptions, link Transport, t Talk) (*MigrateReport, error) {
	r, err := g.operate(ctx, Request{Op: OpMigrate, Migrate: &o}, []*os.File{link.From, link.To}, t)
	if err != nil {
		return nil, fmt.Errorf("migrate group %s: %w", g.ID, err)
	}
	if !o.DryRun {
		g.waitGone(ctx)
	}
	return r.Moved, nil
}
