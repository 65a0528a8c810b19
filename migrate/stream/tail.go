package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// tailInterval is how often it is looked whether a file has grown. A page cache takes a few MB meanwhile.
const tailInterval = 4 * time.Millisecond

// Tail reads a file that may still grow.
type Tail struct {
	conn  *Conn // on which it is sent
	file  io.ReaderAt
	grown <-chan struct{} // closed when it does not any more; nil if it never did
}

// NewTail returns one that reads f until grown is closed; if that is nil, f is complete.
func (c *Conn) NewTail(f io.ReaderAt, grown <-chan struct{}) *Tail { return &Tail{c, f, grown} }

// Read reads from offset on into b until that is full, or the file has not grown for a while, or it is
// complete and this is the end of it. Of these only the last may give no bytes. It fails if ctx ends or
// the Conn fails while it waits.
func (t *Tail) Read(ctx context.Context, b []byte, offset int64) (n int, end bool, err error) {
	for {
		complete := t.complete() // asked first: what is there after that is all
		m, err := t.file.ReadAt(b[n:], offset+int64(n))
		n += m
		switch {
		case n == len(b):
			return n, false, nil
		case err != nil && !errors.Is(err, io.EOF):
			return n, false, fmt.Errorf("read at %d: %w", offset+int64(n), err)
		case complete:
			return n, true, nil
		case n > 0 && m == 0:
			return n, false, nil
		}
		if err := t.pause(ctx); err != nil {
			return n, false, err
		}
	}
}

func (t *Tail) complete() bool {
	if t.grown == nil {
		return true
	}
	select {
	case <-t.grown:
		return true
	default:
		return false
	}
}

// pause waits until it is worth looking again.
func (t *Tail) pause(ctx context.Context) error {
	timer := time.NewTimer(tailInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.conn.dead:
		return t.conn.fatal
	case <-t.grown:
	case <-timer.C:
	}
	return nil
}
