package group

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// Version is the version of the control protocol. A reader refuses others; fields that it does
// not know it skips.
const Version = 1

// Bounds of a message in bytes, without its length.
const (
	MaxRequest = 4 << 10
	MaxReply   = 16 << 20
)

// Operations of the control protocol; CONTROL.md says what each answers.
const (
	OpPing       = "ping"
	OpInfo       = "info"
	OpConns      = "conns"
	OpCheckpoint = "checkpoint"
	OpMigrate    = "migrate"
	OpAnswer     = "answer" // to a question that an operation has asked
	OpLeave      = "leave"  // for a group that has gone elsewhere, and comes back
)

// Request asks a group for something.
type Request struct {
	Version int    `msgpack:"v"`
	Op      string `msgpack:"op"`

	Checkpoint *CheckpointOptions `msgpack:"checkpoint,omitempty"` // with OpCheckpoint
	Migrate    *MigrateOptions    `msgpack:"migrate,omitempty"`    // with OpMigrate, and two descriptors: see CONTROL.md
	Answer     string             `msgpack:"answer,omitempty"`     // with OpAnswer
}

// Reply answers a Request. Error says why there is no answer; else what was asked for is set.
type Reply struct {
	Version  int               `msgpack:"v"`
	Error    string            `msgpack:"error,omitempty"`
	Info     *Info             `msgpack:"info,omitempty"`
	Rocks    []Rock            `msgpack:"conns,omitempty"`
	Progress *Progress         `msgpack:"progress,omitempty"` // more replies follow
	Question *Question         `msgpack:"question,omitempty"` // more replies follow, once it is answered
	Report   *CheckpointReport `msgpack:"report,omitempty"`
	Moved    *MigrateReport    `msgpack:"moved,omitempty"`
}

// fail notes an error; nil is none.
func (r *Reply) fail(err error) {
	if err != nil {
		r.Error = err.Error()
	}
}

// ErrTooLarge says that a message exceeds its bound.
var ErrTooLarge = errors.New("message too large")

// writeMessage writes m behind its length, in one write. It is up to w not to block for ever.
func writeMessage(w io.Writer, m any, limit int) error {
	body, err := msgpack.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(body), limit)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage reads one message into m, which it leaves alone unless it is complete. Nothing is
// allocated before the length is known to be within the limit.
func readMessage(r io.Reader, m any, limit int) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > uint32(limit) {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, n, limit)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if err := msgpack.Unmarshal(body, m); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}
