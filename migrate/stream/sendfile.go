package stream

import (
	"context"
	"fmt"
	"io"
)

// SendFile sends what f has, from its beginning, as chunks of a file with that id, while somebody may append to it.
// Once grown is closed it sends what there is up to the end at that time, and returns the size of it
// all. If grown is nil the file is complete. Empty files have no chunks. It reads everything once, in order.
//
// On return without an error all of it has been taken by the transport, so that what is sent next arrives
// after it. With an error the size is how much of the file has been dealt with. When ctx ends
// SendFile returns at once with the cause, but chunks that are on their way are still sent.
//
// It is safe for concurrent use, and holds a few chunks in memory. While it waits for a file
// to grow it does not notice that the other end is gone.
func (c *Conn) SendFile(ctx context.Context, id uint32, f io.ReaderAt, grown <-chan struct{}) (size int64, err error) {
	size, err = c.NewSender(id).run(ctx, c.NewTail(f, grown))
	if err != nil {
		return size, fmt.Errorf("send file: %w", err)
	}
	return size, nil
}

// run sends all of t.
func (s *Sender) run(ctx context.Context, t *Tail) (size int64, err error) {
	for end := false; !end; {
		p, err := s.take(ctx)
		if err != nil {
			return size, err
		}
		var n int
		n, end, err = t.Read(ctx, p.room(), size)
		if err != nil {
			return size, err
		}
		s.send(p, size, n)
		size += int64(n)
	}
	return size, s.Finish(ctx)
}
