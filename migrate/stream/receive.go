package stream

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Frame is a message or, if Chunk is not nil, a part of a file. A message is its receiver's, for as long as it likes.
type Frame struct {
	Kind  uint8 // KindChunk, or as in Send
	Chunk *Chunk
	body  []byte // of a message
}

// Chunk is a part of a file. Its data are valid until the next Receive.
type Chunk struct {
	File   uint32 // as given to SendFile
	Offset int64
	Data   []byte // 1 to MaxChunk bytes; Offset and their length add up to an int64
}

// Receive returns the next frame, and blocks until there is one. It is for one goroutine at a time.
//
// The error is io.EOF if the stream ends between two frames and io.ErrUnexpectedEOF if it does within one, a
// [*FrameError], or what the transport says. After an error each call returns the same.
func (c *Conn) Receive() (*Frame, error) {
	if c.ended != nil {
		return nil, c.ended
	}
	f, err := c.receive()
	if err != nil {
		c.ended = err
		return nil, err
	}
	return f, nil
}

func (c *Conn) receive() (*Frame, error) {
	var head [frameHeader]byte
	if err := c.fill(head[:], true); err != nil {
		return nil, err
	}
	h, err := parseHeader(head[:])
	if err != nil {
		return nil, err
	}
	body := c.room(h)
	if err := c.fill(body, false); err != nil {
		return nil, err
	}
	if checksum(head[:], body) != h.sum {
		return nil, damaged("a frame of kind %d does not match its checksum", h.kind)
	}
	if h.kind != KindChunk {
		c.received.Add(int64(h.length))
		return &Frame{Kind: h.kind, body: body}, nil
	}
	ch, err := c.open(body, h.flags)
	if err != nil {
		return nil, err
	}
	c.received.Add(int64(len(ch.Data)))
	return &Frame{Kind: h.kind, Chunk: &ch}, nil
}

// fill reads all of b. Only between frames may the stream end.
func (c *Conn) fill(b []byte, between bool) error {
	n, err := io.ReadFull(c.r, b)
	c.receivedWire.Add(int64(n))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && between:
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("receive from the other end: %w", err)
}

// room returns memory for a body: that of a message is the caller's.
func (c *Conn) room(h header) []byte {
	if h.kind != KindChunk {
		return make([]byte, h.length)
	}
	c.in = slices.Grow(c.in[:0], h.length)
	return c.in[:h.length]
}

// open returns the chunk that a body has, decompressed.
func (c *Conn) open(body []byte, flags uint8) (Chunk, error) {
	ch, length, err := parseChunk(body)
	if err != nil {
		return ch, err
	}
	if flags&flagZstd != 0 {
		c.out, err = c.dec.DecodeAll(ch.Data, c.out[:0])
		if err != nil {
			return ch, damaged("a chunk cannot be decompressed: %v", err)
		}
		ch.Data = c.out
	}
	if len(ch.Data) != length {
		return ch, damaged("a chunk has %d bytes of data, not the %d that it says", len(ch.Data), length)
	}
	return ch, nil
}
