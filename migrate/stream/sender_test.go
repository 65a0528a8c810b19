package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// Chunks arrive where they belong, and all of them before what is sent after Finish. What was sent may change after that.
func TestSender(t *testing.T) {
	source, target := pair(t)
	data := append(memory(3*ChunkSize), random(2*ChunkSize+5)...)
	go func() {
		s := source.NewSender(9)
		buf := make([]byte, ChunkSize)
		for end := len(data); end > 0; { // from behind
			begin := max(0, end-ChunkSize)
			n := copy(buf, data[begin:end])
			if err := s.Send(t.Context(), int64(begin), buf[:n]); err != nil {
				t.Error(err)
			}
			clear(buf)
			end = begin
		}
		if err := errors.Join(s.Send(t.Context(), 0, nil), s.Finish(t.Context()), source.Send(1, nil)); err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, len(data))
	for came := 0; ; {
		f, err := target.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind == 1 {
			if came != len(data) {
				t.Errorf("%d bytes came before the message, want %d", came, len(data))
			}
			break
		}
		if f.Chunk.File != 9 {
			t.Errorf("a chunk is of file %d", f.Chunk.File)
		}
		came += copy(got[f.Chunk.Offset:], f.Chunk.Data)
	}
	if !bytes.Equal(got, data) {
		t.Error("what came is not what was sent")
	}
}

// A sender that waits notices the end of the context and that of the transport.
func TestSenderEnds(t *testing.T) {
	r, w := io.Pipe()
	c := New(nil, w)
	s := c.NewSender(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := s.Finish(ctx); err != nil && !errors.Is(err, enough) {
		t.Errorf("finish: %v", err)
	}
	s = c.NewSender(1)
	r.Close()
	var err error
	for range 100 {
		if err = s.Send(t.Context(), 0, []byte("x")); err != nil {
			break
		}
	}
	if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(s.Finish(t.Context()), io.ErrClosedPipe) {
		t.Errorf("after the transport has ended: %v", err)
	}
}
