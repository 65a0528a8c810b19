package migrate

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"rock/migrate/stream"
)

// storeID is the number of the store among files.
const storeID = 0

// store keeps what the source sends ahead, one page after the other, for references to it.
type store struct {
	f         *os.File // it has no name, so that nothing is left of it
	room      int64    // that it may take
	came, end int64    // bytes that have come; where the last one is
	whole     int64    // so much is there without a gap
	apart     bool     // the kernel does not copy from it
	buf       []byte
}

// newStore makes one in a directory.
func newStore(dir string, room int64) (*store, error) {
	f, err := os.CreateTemp(dir, "pages-")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		return nil, fmt.Errorf("make room for memory: %w", err)
	}
	return &store{f: f, room: room}, nil
}

// close gives the space back. It takes a while for a large one. A nil store has none.
func (s *store) close() {
	if s != nil {
		s.f.Close()
	}
}

// add takes some of the pages, in any order.
func (s *store) add(c *stream.Chunk) error {
	end := c.Offset + int64(len(c.Data))
	if end > s.room {
		return fmt.Errorf("the other host sent more memory ahead than the %d bytes that there is room for", s.room)
	}
	if _, err := s.f.WriteAt(c.Data, c.Offset); err != nil {
		return fmt.Errorf("keep memory that was sent ahead: %w", err)
	}
	s.came += int64(len(c.Data))
	s.end = max(s.end, end)
	return nil
}

// settle ends a round, after which so many bytes should be there.
func (s *store) settle(bytes int64) error {
	if s.came != bytes || s.end != bytes {
		return fmt.Errorf("the other host sent %d bytes of memory ahead, up to %d, and says that there are %d", s.came, s.end, bytes)
	}
	s.whole = bytes
	return nil
}

// copyTo copies n bytes from an offset on into a file. A nil store has none.
func (s *store) copyTo(w *os.File, to, from, n int64) error {
	if s == nil {
		return errors.New("the other host refers to memory that it did not send ahead")
	}
	if from < 0 || n <= 0 || from > s.whole-n {
		return fmt.Errorf("the other host refers to %d bytes at %d of the memory that it sent ahead, which is %d bytes", n, from, s.whole)
	}
	for n > 0 && !s.apart {
		copied, err := unix.CopyFileRange(int(s.f.Fd()), &from, int(w.Fd()), &to, int(min(n, mostCopied)), 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// Not every file system can do this, and one that is damaged finds an end.
		s.apart = err != nil || copied == 0
		n -= int64(max(copied, 0))
	}
	return s.copyApart(w, to, from, n)
}

// copyApart is copyTo by way of this process.
func (s *store) copyApart(w *os.File, to, from, n int64) error {
	if s.buf == nil {
		s.buf = make([]byte, readAtOnce)
	}
	for n > 0 {
		part := s.buf[:min(n, int64(len(s.buf)))]
		if _, err := s.f.ReadAt(part, from); err != nil {
			return fmt.Errorf("read memory that was sent ahead: %w", err)
		}
		if _, err := w.WriteAt(part, to); err != nil {
			return fmt.Errorf("write image: %w", err)
		}
		from, to, n = from+int64(len(part)), to+int64(len(part)), n-int64(len(part))
	}
	return nil
}

// roomFor says how much memory may be sent ahead into a directory, so that an image with so many bytes of memory fits beside it.
func roomFor(dir string, memory int64) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	free := int64(st.Bavail)*st.Bsize - memory - spare
	return max(0, min(free, storeFactor*memory))
}

const (
	// mostCopied is what the kernel is asked to copy at once, in bytes.
	mostCopied = 1 << 30
	// spare is left free for others.
	spare = 64 << 20
	// storeFactor is how much more than the memory of a group may be sent ahead, since it changes.
	storeFactor = 2
)
