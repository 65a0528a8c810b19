package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"rock/ckpt/survey"
)

// slack is what is to be left free on each file system, in bytes.
const slack = 16 << 20

// Check says what of a bundle cannot come to this host, beside an image with so many bytes of memory in the directory staging.
func (t Tree) Check(b *Bundle, staging string, memory int64) []survey.Problem {
	c := check{tree: t, spots: map[string]*spot{}, disks: map[uint64]*disk{}}
	for _, f := range b.Folders {
		if c.allowed(f.Path) {
			c.spot(f.Path)
		}
	}
	for _, i := range b.Items {
		if c.allowed(i.Path) {
			c.item(i)
		}
	}
	c.space(staging, memory)
	return c.problems
}

// check is a Check on its way.
type check struct {
	tree     Tree
	spots    map[string]*spot // by directory
	disks    map[uint64]*disk // by device
	order    []*disk
	problems []survey.Problem
}

// spot is where a directory is or would be.
type spot struct {
	at   string // the directory, or the nearest one above it that is there
	disk *disk  // nil if there is a problem
}

// disk is a file system.
type disk struct {
	device   uint64
	at       string // a directory on it
	readOnly bool
	free     int64 // bytes
	inodes   int64 // free ones; -1 if it does not count them
	needed   int64 // bytes
	count    int64
}

func (c *check) problem(what, remedy string) {
	c.problems = append(c.problems, survey.Problem{What: what, Remedy: remedy})
}

func (c *check) allowed(path string) bool {
	if proper(path) && movable(path) {
		return true
	}
	c.problem(path+" cannot come here: what is there is of the running system", "leave it out")
	return false
}

// spot looks where a directory would be.
func (c *check) spot(dir string) *spot {
	if s := c.spots[dir]; s != nil {
		return s
	}
	s := &spot{}
	c.spots[dir] = s
	f, at, err := c.tree.nearest(dir)
	if err != nil {
		c.misplaced(err)
		return s
	}
	defer f.Close()
	s.at = at
	if s.disk, err = c.disk(f); err != nil {
		c.problem(fmt.Sprintf("%s cannot be used here: %v", at, err), "")
	} else if at != dir {
		c.writable(s.disk, dir)
	}
	return s
}

// misplaced reports something on the way that is no directory, once.
func (c *check) misplaced(err error) {
	remedy := ""
	var bad *placeError
	if errors.As(err, &bad) {
		remedy = "move it out of the way; links are not followed, lest something else is overwritten"
	}
	p := survey.Problem{What: err.Error(), Remedy: remedy}
	for _, known := range c.problems {
		if known == p {
			return
		}
	}
	c.problems = append(c.problems, p)
}

// disk returns the file system that a directory is on.
func (c *check) disk(dir *os.File) (*disk, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return nil, err
	}
	if d := c.disks[st.Dev]; d != nil {
		return d, nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &fs); err != nil {
		return nil, err
	}
	d := &disk{device: st.Dev, at: dir.Name(), readOnly: fs.Flags&unix.ST_RDONLY != 0, free: int64(fs.Bavail) * fs.Bsize, inodes: -1}
	if fs.Files > 0 {
		d.inodes = int64(fs.Ffree)
	}
	c.disks[st.Dev] = d
	c.order = append(c.order, d)
	return d, nil
}

// writable reports a file system on which nothing can be made.
func (c *check) writable(d *disk, path string) bool {
	if d.readOnly {
		c.problem(path+" is on a file system here that is read-only", "mount it writable, or bring the file there yourself and leave it out")
	}
	return !d.readOnly
}

// item looks at the place of a file.
func (c *check) item(i Item) {
	dir := filepath.Dir(i.Path)
	s := c.spot(dir)
	if s.disk == nil {
		return
	}
	s.disk.needed += i.Size
	s.disk.count++
	if s.at != dir {
		return // all that is to be said has been said of the directory
	}
	c.writable(s.disk, i.Path)
	f, err := c.tree.folder(dir)
	if err != nil {
		c.misplaced(err)
		return
	}
	defer f.Close()
	switch st, err := stat(f, filepath.Base(i.Path)); {
	case err != nil:
		c.misplaced(err)
	case st != nil && st.Mode&unix.S_IFMT != unix.S_IFREG:
		c.misplaced(&placeError{i.Path, kindOf(st.Mode)})
	}
}

// space compares what is needed with what is there.
func (c *check) space(staging string, memory int64) {
	var st unix.Stat_t
	for unix.Stat(staging, &st) != nil && staging != "/" {
		staging = filepath.Dir(staging)
	}
	for _, d := range c.order {
		if d.needed == 0 && d.count == 0 || d.readOnly {
			continue
		}
		needed, of := d.needed+slack, ""
		if d.device == st.Dev && memory > 0 {
			needed += memory
			of = ", and for memory"
		}
		if d.free < needed {
			c.problem(fmt.Sprintf("the file system of %s here has %d MiB free, and up to %d MiB are needed for files%s", d.at, d.free>>20, needed>>20, of), "make room there")
		}
		if d.inodes >= 0 && d.inodes < d.count {
			c.problem(fmt.Sprintf("the file system of %s here has room for %d files, and %d are to come", d.at, d.inodes, d.count), "make room there")
		}
	}
}
