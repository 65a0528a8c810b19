package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/stream"
)

// Sender sends the files that come along. It is for one goroutine, which calls its methods in their order.
type Sender struct {
	conn   *stream.Conn
	choice Choice
	tree   Tree

	chosen *chosen
	ids    map[string]uint32
	sent   map[string]*sent
	buf    []byte

	Files int   // that came along in the end
	Bytes int64 // in them
}

// sent is what the target has of a file.
type sent struct {
	state state
	sure  bool // a change since then shows in its state
	sums  []uint64
}

// state tells whether a file has changed.
type state struct {
	device, inode uint64
	size          int64
	mtime, ctime  unix.Timespec
}

func stateOf(st *unix.Stat_t) state { return state{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim} }

// NewSender returns one for a choice.
func NewSender(conn *stream.Conn, c Choice) *Sender {
	return &Sender{conn: conn, choice: c, tree: Tree{"/"}, ids: map[string]uint32{}, sent: map[string]*sent{},
		buf: make([]byte, stream.ChunkSize)}
}

// Look returns what is to come along of a group that runs, and what is in the way.
func (s *Sender) Look(m *image.Manifest) (*Bundle, []survey.Problem) {
	s.chosen = s.choice.choose(m, false)
	b := &Bundle{Folders: s.chosen.list()}
	for _, path := range s.chosen.paths() {
		f, st, err := s.tree.open(path, unix.O_RDONLY)
		if err != nil {
			s.chosen.problem("a file cannot come along: "+err.Error(), "")
			continue
		}
		f.Close()
		b.Items = append(b.Items, Item{s.id(path), path, st.Size})
	}
	return b, s.chosen.problems
}

func (s *Sender) id(path string) uint32 {
	id, known := s.ids[path]
	if !known {
		id = firstID + uint32(len(s.ids))
		s.ids[path] = id
	}
	return id
}

// Ahead sends the contents while the group runs. Files that are gone by now it leaves out.
func (s *Sender) Ahead(ctx context.Context, progress func(done int64)) error {
	done := int64(0)
	for _, path := range s.chosen.paths() {
		size, err := s.send(ctx, path)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		done += size
		progress(done)
	}
	return nil
}

// Finish sends what has changed, when the group that m describes stands still, and then the list of all.
func (s *Sender) Finish(ctx context.Context, m *image.Manifest) error {
	s.chosen = s.choice.choose(m, true)
	if p := s.chosen.problems; len(p) > 0 {
		return errors.New(p[0].String())
	}
	list := List{Folders: s.chosen.list()}
	for _, path := range s.chosen.paths() {
		size, err := s.send(ctx, path)
		if errors.Is(err, unix.ENOENT) {
			continue // it is not the group's, which stands still
		}
		if err != nil {
			return err
		}
		list.Items = append(list.Items, s.id(path))
		s.Bytes += size
	}
	s.Files = len(list.Items)
	return s.conn.Send(KindList, list)
}

// raceTime is more than what a file system's clock may be behind ours: a write within that time after another one does not
// show in the times of the file.
const raceTime = 100 * time.Millisecond

// send sends what the target does not have of a file.
func (s *Sender) send(ctx context.Context, path string) (size int64, err error) {
	began := time.Now()
	f, st, err := s.tree.open(path, unix.O_RDONLY|unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) {
		f, st, err = s.tree.open(path, unix.O_RDONLY)
	}
	if err != nil {
		return 0, fmt.Errorf("send file: %w", err)
	}
	defer f.Close()
	now := &sent{state: stateOf(st)}
	last := s.sent[path]
	if last == nil {
		last = &sent{}
	} else if last.sure && last.state == now.state {
		return st.Size, nil
	}
	limit := unix.NsecToTimespec(began.Add(-raceTime).UnixNano())
	now.sure = !s.chosen.mapped[path] && before(st.Mtim, limit) && before(st.Ctim, limit)
	id := s.id(path)
	if err := s.conn.Send(KindItem, Item{id, path, st.Size}); err != nil {
		return 0, err
	}
	if size, err = s.contents(ctx, f, id, last.sums, now); err != nil {
		return 0, err
	}
	s.sent[path] = now
	return size, s.conn.Send(KindEnd, End{ID: id, Size: size, Sum: sumOf(now.sums), Attr: attributesOf(st), MTime: st.Mtim.Nano()})
}

// contents sends the chunks of a file that are not as they were.
func (s *Sender) contents(ctx context.Context, f *os.File, id uint32, old []uint64, now *sent) (size int64, err error) {
	out := s.conn.NewSender(id)
	for {
		n, err := f.ReadAt(s.buf, size)
		if n > 0 {
			sum := xxh3.Hash(s.buf[:n])
			if i := len(now.sums); i >= len(old) || old[i] != sum {
				if err := out.Send(ctx, size, s.buf[:n]); err != nil {
					return 0, err
				}
			}
			now.sums = append(now.sums, sum)
			size += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return size, out.Finish(ctx)
		}
		if err != nil {
			return 0, fmt.Errorf("send file: %w", err)
		}
	}
}

func before(a, b unix.Timespec) bool { return a.Nano() < b.Nano() }
