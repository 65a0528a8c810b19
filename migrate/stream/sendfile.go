package stream

import (
	"context"
	"fmt"
	"io"
	"runtime"
)

// chunkSize is what is cut from a file; a receiver takes any size up to MaxChunk. Larger ones are neither faster nor
// get smaller, and take more memory.
const chunkSize = 256 << 10

// mostAtOnce bounds the processors, and with them the memory, that are used for one file.
const mostAtOnce = 4

// SendFile sends what f has, from its beginning, as chunks of a file with that id, while somebody may append to it.
// Once grown is closed it sends what there is up to the end at that time, and returns the size of it
// all. If grown is nil the file is complete. Empty files have no chunks.
//
// On return without an error all of it has been taken by the transport, so that what is sent next arrives
// after it. With an error the size is how much of the file has been dealt with. When ctx ends
// SendFile returns at once with the cause, but chunks that are on their way are still sent.
//
// It is safe for concurrent use, and holds a few chunks in memory. While it waits for a file
// to grow it does not notice that the other end is gone.
func (c *Conn) SendFile(ctx context.Context, id uint32, f io.ReaderAt, grown <-chan struct{}) (size int64, err error) {
	s := sender{conn: c, file: id, free: make(chan *piece, min(runtime.GOMAXPROCS(0), mostAtOnce)+1)}
	for range cap(s.free) {
		s.free <- nil
	}
	size, err = s.run(ctx, tail{conn: c, file: f, grown: grown})
	if err != nil {
		return size, fmt.Errorf("send file: %w", err)
	}
	return size, nil
}

// sender sends the chunks of one file.
type sender struct {
	conn *Conn
	file uint32
	free chan *piece // as many as may be under way; nil for those that have no memory yet
	gain gain
}

// run sends all of t.
func (s *sender) run(ctx context.Context, t tail) (size int64, err error) {
	for end := false; !end; {
		p, err := s.take(ctx)
		if err != nil {
			return size, err
		}
		var n int
		n, end, err = t.read(ctx, p.room(), size)
		if err != nil {
			return size, err
		}
		s.send(p, size, n)
		size += int64(n)
	}
	return size, s.wait(ctx)
}

// take waits for a piece that is free.
func (s *sender) take(ctx context.Context) (*piece, error) {
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
func (s *sender) send(p *piece, offset int64, n int) {
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

// wait waits until nothing is under way any more.
func (s *sender) wait(ctx context.Context) error {
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
