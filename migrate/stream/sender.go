package stream

import (
	"context"
	"runtime"
)

// ChunkSize is what is cut from a file, and the most that a [Sender] takes at once; a receiver takes any size up to MaxChunk. Larger
// ones are neither faster nor get smaller, and take more memory.
const ChunkSize = 256 << 10

// mostAtOnce bounds the processors, and with them the memory, that are used for one file.
const mostAtOnce = 4

// Sender sends chunks of one file that its caller cuts. It is for one goroutine.
type Sender struct {
	conn *Conn
	file uint32
	free chan *piece // as many as may be under way; nil for those that have no memory yet
	gain gain
}

// NewSender returns one for the file with that id.
func (c *Conn) NewSender(id uint32) *Sender {
	s := &Sender{conn: c, file: id, free: make(chan *piece, min(runtime.GOMAXPROCS(0), mostAtOnce)+1)}
	for range cap(s.free) {
		s.free <- nil
	}
	return s
}

// Send sends a chunk, of which it keeps a copy: at most ChunkSize bytes. It blocks while too many are under way. The error is
// the cause if ctx has ended, or that of the transport.
func (s *Sender) Send(ctx context.Context, offset int64, data []byte) error {
	p, err := s.take(ctx)
	if err != nil {
		return err
	}
	s.send(p, offset, copy(p.room(), data))
	return nil
}

// take waits for a piece that is free.
func (s *Sender) take(ctx context.Context) (*piece, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.conn.dead:
		return nil, s.conn.fatal
	case p := <-s.free:
		if p == nil {
			p, _ = s.conn.pieces.Get().(*piece)
		}
		if p == nil {
			p = new(piece)
		}
		return p, nil
	}
}

// send sends the first n bytes of a piece, without waiting for it. The piece is free after that; one without
// data is at once.
func (s *Sender) send(p *piece, offset int64, n int) {
	if n == 0 {
		s.free <- p
		return
	}
	compress := s.gain.try()
	go func() {
		frame, flags := p.plain(s.file, offset, n), uint8(0)
		if compress {
			small := p.compressed(s.conn.enc, n)
			if s.gain.tried(n, len(small)) {
				frame, flags = small, flagZstd
			}
		}
		seal(frame, KindChunk, flags)
		_ = s.conn.write(frame, n) // seen by who takes the next piece
		s.free <- p
	}()
}

// Finish waits until the transport has taken all that was sent, so that what is sent next arrives after it. The Sender is
// of no use from then on. When ctx ends it returns at once with the cause.
func (s *Sender) Finish(ctx context.Context) error {
	for range cap(s.free) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case p := <-s.free:
			if p != nil {
				s.conn.pieces.Put(p)
			}
		}
	}
	select {
	case <-s.conn.dead:
		return s.conn.fatal
	default:
		return nil
	}
}
