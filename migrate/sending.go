package migrate

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rock/ckpt/image"
	"rock/migrate/stream"
)

// lookEvery is how often it is looked whether CRIU has begun another file of pages.
const lookEvery = 10 * time.Millisecond

// sending sends the files of an image. Those with memory, which are nearly all of it, are sent while CRIU writes them; the
// others, which are changed once more at the end, when all is there.
type sending struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	conn    *stream.Conn
	dir     string
	written chan struct{} // closed when CRIU has written everything
	work    sync.WaitGroup

	ahead *ahead // what the target has; nil: nothing

	begun []string // files; of follow, and then of rest

	mu       sync.Mutex // of what follows
	sums     []image.Sum
	recalled int64 // bytes that were sent as references
}

func newSending(ctx context.Context, conn *stream.Conn, dir string, has *ahead) *sending {
	s := &sending{conn: conn, dir: dir, written: make(chan struct{}), ahead: has}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.work.Go(s.follow)
	return s
}

// follow sends files of pages.
func (s *sending) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for last := false; !last; {
		select {
		case <-tick.C:
		case <-s.written:
			last = true
		case <-s.ctx.Done():
			return
		}
		names, _ := filepath.Glob(filepath.Join(s.dir, "pages-*.img"))
		for _, path := range names {
			name := filepath.Base(path)
			if slices.Contains(s.begun, name) {
				continue
			}
			id := s.begin(name)
			s.work.Go(func() {
				if err := s.sendPages(name, id); err != nil {
					s.cancel(err)
				}
			})
		}
	}
}

// begin numbers a file.
func (s *sending) begin(name string) uint32 {
	s.begun = append(s.begun, name)
	return uint32(len(s.begun))
}

// sendPages sends a file of pages while it grows.
func (s *sending) sendPages(name string, id uint32) error {
	if s.ahead == nil {
		return s.send(name, id, s.written)
	}
	return s.recall(name, id)
}

// send sends one file.
func (s *sending) send(name string, id uint32, grown <-chan struct{}) error {
	f, err := s.open(file{ID: id, Name: name})
	if err != nil {
		return err
	}
	defer f.Close()
	r := summing{f: f}
	size, err := s.conn.SendFile(s.ctx, id, &r, grown)
	if err == nil {
		s.sent(image.Sum{Name: name, Size: size, Sum: r.sum.Sum64()}, 0)
	}
	return err
}

// open opens a file and tells the target that its chunks follow.
func (s *sending) open(begun file) (*os.File, error) {
	f, err := os.Open(filepath.Join(s.dir, begun.Name))
	if err != nil {
		return nil, fmt.Errorf("send image: %w", err)
	}
	if err := s.conn.Send(kindFile, begun); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sent notes what was sent.
func (s *sending) sent(sum image.Sum, recalled int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums = append(s.sums, sum)
	s.recalled += recalled
}

// summing computes the checksum of what is read from a file, once and in order.
type summing struct {
	f   io.ReaderAt
	sum image.Summer
}

func (s *summing) ReadAt(b []byte, offset int64) (int, error) {
	n, err := s.f.ReadAt(b, offset)
	s.sum.Write(b[:n]) // never fails
	return n, err
}

// rest sends what has not been sent yet, when all is written, and returns when all has been taken by the transport.
func (s *sending) rest(ctx context.Context) error {
	close(s.written)
	s.work.Wait()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("send image: %w", err)
	}
	for _, e := range entries {
		if slices.Contains(s.begun, e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := s.send(e.Name(), s.begin(e.Name()), nil); err != nil {
			return err
		}
	}
	slices.SortFunc(s.sums, func(a, b image.Sum) int { return strings.Compare(a.Name, b.Name) })
	return nil
}
