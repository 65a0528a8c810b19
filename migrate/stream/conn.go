package stream

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// Version is of all that FRAMES.md says. Ends of different versions do not talk to each other.
const Version = 1

// Conn is one end of a stream. Sending is safe for concurrent use, receiving is for one goroutine; the two do not
// wait for each other.
type Conn struct {
	r *bufio.Reader
	w io.Writer

	enc    *zstd.Encoder
	dec    *zstd.Decoder
	pieces sync.Pool // of *piece

	// turn is held by who writes to w. It is no mutex because those who wait for one notice nothing else, and
	// keep the clock of a test from moving.
	turn  chan struct{}
	dead  chan struct{} // closed when w has failed
	fatal error         // why; set before dead is closed

	// Of the receiver.
	in, out []byte // body of a chunk, as it travels and decompressed
	ended   error  // what it got last and gets from now on

	sent, sentWire, received, receivedWire atomic.Int64
}

// New makes one end of a stream that is read from r and written to w. It neither reads nor writes yet, and there
// is nothing to be closed after it but r and w, by the caller.
func New(r io.Reader, w io.Writer) *Conn {
	// Options that are constant are never refused.
	enc, _ := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(MaxChunk),
		zstd.WithSingleSegment(true),
		zstd.WithEncoderCRC(false)) // a frame has a checksum
	dec, _ := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(MaxChunk),
		zstd.WithDecoderMaxWindow(MaxChunk))
	return &Conn{
		r:    bufio.NewReaderSize(r, 64<<10),
		w:    w,
		enc:  enc,
		dec:  dec,
		turn: make(chan struct{}, 1),
		dead: make(chan struct{}),
	}
}

// write sends b, which holds that many bytes before compression. It blocks until the transport has taken them.
// After the first failure every call returns the same error.
func (c *Conn) write(b []byte, plain int) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-c.dead:
		return c.fatal
	}
	select {
	case <-c.dead:
		return c.fatal
	default:
	}
	n, err := c.w.Write(b)
	c.sentWire.Add(int64(n))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		c.fatal = fmt.Errorf("send to the other end: %w", err)
		close(c.dead)
		return c.fatal
	}
	c.sent.Add(int64(plain))
	return nil
}

// Stats counts bytes. What travels is more than what is sent by the headers of frames, and less by compression.
type Stats struct {
	Sent, SentWire         int64 // bodies of messages and data of files, and what travels for them
	Received, ReceivedWire int64
}

// Stats returns what has been counted up to now. It is safe at any time.
func (c *Conn) Stats() Stats {
	return Stats{c.sent.Load(), c.sentWire.Load(), c.received.Load(), c.receivedWire.Load()}
}
