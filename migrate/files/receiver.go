package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"rock/migrate/stream"
)

// prefix is what hidden names begin with: then come the name of the migration and a number.
const prefix = ".rock-migrate-"

// Receiver takes the files that come along. Its methods may be called from any goroutines.
type Receiver struct {
	tree   Tree
	token  string
	ledger *ledger

	mu    sync.Mutex
	over  bool // nothing may come any more
	items map[uint32]*incoming
	paths map[string]bool
	list  *List // what is to be put in its place

	// Of tests, which end it at any point, and do as if the file system was a simple one.
	step   func(string) error
	simple bool
}

// incoming is a file that comes.
type incoming struct {
	path  string
	temp  string // where it is
	state state  // device and inode of that
	f     *os.File
	sums  []uint64 // of its chunks
	whole bool     // it was what was sent
}

// NewReceiver returns one for the migration token, whose directory is place.
func NewReceiver(t Tree, place, token string) (*Receiver, error) {
	l, err := createLedger(filepath.Join(place, LedgerFile))
	if err != nil {
		return nil, err
	}
	return &Receiver{tree: t, token: token, ledger: l, items: map[uint32]*incoming{}, paths: map[string]bool{}}, nil
}

// Take takes a frame if it is one of a file that comes along. An error ends the migration.
func (r *Receiver) Take(f *stream.Frame) (ours bool, err error) {
	switch {
	case f.Chunk != nil && f.Chunk.File >= firstID:
	case f.Chunk == nil && (f.Kind == KindItem || f.Kind == KindEnd || f.Kind == KindList):
	default:
		return false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return true, errors.New("the other host sent files after it had said that all are there")
	}
	switch f.Kind {
	case KindItem:
		var i Item
		if err := f.Decode(&i); err != nil {
			return true, err
		}
		return true, r.begin(&i)
	case KindEnd:
		var e End
		if err := f.Decode(&e); err != nil {
			return true, err
		}
		return true, r.end(&e)
	case KindList:
		r.list = &List{}
		return true, f.Decode(r.list)
	}
	return true, r.chunk(f.Chunk)
}

// begin opens a file, for the first time or again.
func (r *Receiver) begin(i *Item) error {
	if in := r.items[i.ID]; in != nil && in.path == i.Path && in.f == nil {
		return r.again(in)
	}
	if !proper(i.Path) || !movable(i.Path) || i.ID < firstID || r.items[i.ID] != nil || r.paths[i.Path] {
		return fmt.Errorf("the other host sent a file that it may not send: %q", i.Path)
	}
	// As a rule that is the directory that it is to be in: at least it is on the same file system.
	dir, at, err := r.tree.nearest(filepath.Dir(i.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := r.hidden(i.ID, "")
	in := &incoming{path: i.Path, temp: filepath.Join(at, name)}
	if err := r.ledger.note(line{Do: doTemp, Path: text(in.temp)}); err != nil {
		return err
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: in.temp, Err: err}
	}
	in.f = os.NewFile(uintptr(fd), in.temp)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errors.Join(err, in.close())
	}
	in.state = stateOf(&st)
	r.items[i.ID], r.paths[i.Path] = in, true
	return nil
}

// again opens a file that is to be changed.
func (r *Receiver) again(in *incoming) error {
	f, st, err := r.tree.open(in.temp, unix.O_RDWR)
	if err != nil {
		return err
	}
	if !in.state.same(st) {
		f.Close()
		return fmt.Errorf("%s was replaced meanwhile", in.temp)
	}
	in.f, in.whole = f, false
	return nil
}

// same says whether it is the same file, whatever is in it.
func (s state) same(st *unix.Stat_t) bool {
	return st != nil && s.device == st.Dev && s.inode == st.Ino
}

// hidden is a hidden name for something of an item.
func (r *Receiver) hidden(id uint32, suffix string) string {
	return fmt.Sprintf("%s%s-%d%s", prefix, r.token, id-firstID, suffix)
}

// mostAhead is how many chunks of a file may be under way at the same time.
const mostAhead = 1 << 10

// chunk writes a part of a file.
func (r *Receiver) chunk(c *stream.Chunk) error {
	in := r.items[c.File]
	if in == nil || in.f == nil {
		return fmt.Errorf("the other host sent a part of file %d, which it did not begin", c.File)
	}
	i := c.Offset / stream.ChunkSize
	// Those that have not changed are skipped, but they have been sent once.
	if c.Offset%stream.ChunkSize != 0 || len(c.Data) > stream.ChunkSize || i > int64(len(in.sums))+mostAhead {
		return fmt.Errorf("the other host sent a part of %s at %d, where none is", in.path, c.Offset)
	}
	for int64(len(in.sums)) <= i {
		in.sums = append(in.sums, 0)
	}
	in.sums[i] = xxh3.Hash(c.Data)
	if _, err := in.f.WriteAt(c.Data, c.Offset); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// end closes a file, if it is what was sent.
func (r *Receiver) end(e *End) error {
	in := r.items[e.ID]
	if in == nil || in.f == nil {
		return fmt.Errorf("the other host ended file %d, which it did not begin", e.ID)
	}
	n := chunks(e.Size)
	if n > int64(len(in.sums)) {
		return fmt.Errorf("%s has not come whole", in.path)
	}
	in.sums = in.sums[:n]
	if sumOf(in.sums) != e.Sum {
		return fmt.Errorf("%s is not what the other host sent", in.path)
	}
	if err := in.finish(e); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	in.whole = true
	return nil
}

// finish gives the file its size and attributes.
func (in *incoming) finish(e *End) error {
	err := in.f.Truncate(e.Size)
	fd := int(in.f.Fd())
	if err == nil {
		err = unix.Fchown(fd, int(e.Attr.UID), int(e.Attr.GID))
	}
	if err == nil {
		err = unix.Fchmod(fd, e.Attr.Mode&0o7777) // after chown, which takes the set-user-id bit away
	}
	if err == nil {
		when := unix.NsecToTimespec(e.MTime)
		err = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), []unix.Timespec{when, when}, 0)
	}
	// It begins to be written to disk now, while there is time.
	_ = unix.SyncFileRange(fd, 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	return errors.Join(err, in.close())
}

func (in *incoming) close() error {
	if in.f == nil {
		return nil
	}
	err := in.f.Close()
	in.f = nil
	return err
}

// Close ends it: nothing may come any more. What was written stays, for Undo or Settle.
func (r *Receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil
	}
	r.over = true
	err := r.ledger.close()
	for _, in := range r.items {
		err = errors.Join(err, in.close())
	}
	return err
}
