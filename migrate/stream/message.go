package stream

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Send sends a message, whose kind is less than KindChunk. A body of nil is none. It blocks until the
// transport has taken it.
//
// It is safe for concurrent use. After the transport has failed once, each call returns the same error. A body that
// cannot be encoded, or is larger than MaxMessage, is an error that has no effect on what follows.
func (c *Conn) Send(kind uint8, body any) error {
	if kind == KindChunk {
		return fmt.Errorf("send message: kind %d is that of chunks", kind)
	}
	frame := bytes.NewBuffer(make([]byte, frameHeader))
	if body != nil {
		enc := msgpack.NewEncoder(frame)
		enc.UseCompactInts(true)
		if err := enc.Encode(body); err != nil {
			return fmt.Errorf("send message of kind %d: %w", kind, err)
		}
	}
	n := frame.Len() - frameHeader
	if n > MaxMessage {
		return fmt.Errorf("send message of kind %d: %d bytes, at most %d are allowed", kind, n, MaxMessage)
	}
	seal(frame.Bytes(), kind, 0)
	return c.write(frame.Bytes(), n)
}

// Decode stores the body of a message in v, which is a pointer. The error is a [*FrameError]; a message
// without a body gives one too.
func (f *Frame) Decode(v any) error {
	if err := bounded(f.body); err != nil {
		return damaged("a message of kind %d %v", f.Kind, err)
	}
	if err := msgpack.Unmarshal(f.body, v); err != nil {
		return damaged("a message of kind %d cannot be decoded: %v", f.Kind, err)
	}
	return nil
}
