package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Draft is an image that is being written: a hidden directory beside its final place. It is
// not for concurrent use, except for Write.
type Draft struct {
	dir   string // final place
	path  string // where it is now
	above []string
	root  *os.Root
	file  *os.File // locked
	done  bool
}

// Create begins an image that is to be at dir. It makes missing directories above it, and removes what
// processes that died have left of drafts for the same place.
//
// The error is an [*ExistsError] if dir exists and is not an empty directory.
func Create(dir string) (*Draft, error) {
	dir, err := place(dir)
	if err != nil {
		return nil, fmt.Errorf("create image: %w", err)
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	d := &Draft{dir: dir, above: missing(filepath.Dir(dir))}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("create image: %w", err)
	}
	removeDead(filepath.Dir(dir), draftPrefix(filepath.Base(dir)))
	if err := d.make(); err != nil {
		return nil, fmt.Errorf("create image: %w", err)
	}
	return d, nil
}

// place is the absolute path of the directory that is meant. Of symbolic links only the last is of interest, since
// rename(2) would replace it.
func place(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return filepath.EvalSymlinks(dir)
	}
	return dir, nil
}

// vacant says whether an image can be renamed to dir.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ENOTDIR):
		if _, err := os.Lstat(dir); err != nil {
			return fmt.Errorf("create image: %w", err) // something above it is no directory
		}
		return &ExistsError{dir}
	case err != nil:
		return fmt.Errorf("create image: %w", err)
	case len(entries) > 0:
		return &ExistsError{dir}
	}
	var st, above unix.Stat_t
	if unix.Stat(dir, &st) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && st.Dev != above.Dev {
		return fmt.Errorf("create image: %s is a mount point; give a directory in it", dir)
	}
	return nil
}

// missing returns the directories that get an entry when all up to parent are made and something in it.
func missing(parent string) []string {
	dirs := []string{parent}
	for dir := parent; dir != filepath.Dir(dir); {
		if _, err := os.Lstat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

func draftPrefix(name string) string { return "." + name + ".draft-" }

// make makes the directory and locks it. Between the two another process may take it for one that was left
// behind: then another is made.
func (d *Draft) make() error {
	parent, name := filepath.Split(d.dir)
	for {
		path, err := os.MkdirTemp(parent, fmt.Sprintf("%s%d-", draftPrefix(name), os.Getpid())) // 0700
		if err != nil {
			return err
		}
		file, err := openDir(path)
		if err == nil {
			if err = lock(file, unix.LOCK_EX|unix.LOCK_NB); err == nil && is(path, file) {
				d.path, d.file = path, file
				break
			}
			file.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EWOULDBLOCK) {
			return errors.Join(err, os.RemoveAll(path))
		}
	}
	err := d.file.Chmod(0o700) // whatever the umask is
	if err == nil {
		d.root, err = os.OpenRoot(d.path)
	}
	if err != nil {
		return errors.Join(err, d.Abandon())
	}
	return nil
}

// Path is where the draft is now.
func (d *Draft) Path() string { return d.path }

// File is the open directory, for CRIU's images_dir_fd. It is closed by Commit and Abandon.
func (d *Draft) File() *os.File { return d.file }

// Create adds a file, which must not be there yet, to be written by the caller and closed before Commit.
func (d *Draft) Create(name string) (*os.File, error) {
	if !validName(name) {
		return nil, fmt.Errorf("write %q into an image: the name is not allowed", name)
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write into image: %w", err)
	}
	return f, nil
}

// Write adds a file, which must not be there yet.
func (d *Draft) Write(name string, data []byte) error {
	if !validName(name) {
		return fmt.Errorf("write %q into an image: the name is not allowed", name)
	}
	return d.write(name, data)
}

func (d *Draft) write(name string, data []byte) error {
	if d.done {
		return fmt.Errorf("write %s into an image: %w", name, os.ErrClosed)
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write into image: %w", err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write into image: %w", err)
	}
	return nil
}

// Abandon removes the draft. After Commit, or if it was called before, it does nothing.
func (d *Draft) Abandon() error {
	if d.done {
		return nil
	}
	// The lock is held until it is gone, lest somebody else removes it at the same time.
	err := os.RemoveAll(d.path)
	d.close()
	if err != nil {
		return fmt.Errorf("remove draft of image: %w", err)
	}
	return nil
}

func (d *Draft) close() {
	d.done = true
	_ = lock(d.file, unix.LOCK_UN) // closing does not, if a CRIU that still runs has inherited it
	d.file.Close()
	if d.root != nil {
		d.root.Close()
	}
}

// removeDead removes directories with a prefix that nobody has locked. What cannot be removed is in nobody's
// way but takes space, and it is tried again the next time.
func removeDead(parent, prefix string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			_ = removeUnused(filepath.Join(parent, e.Name()))
		}
	}
}

// removeUnused removes a directory if nobody has locked it; else the error is EWOULDBLOCK.
func removeUnused(path string) error {
	dir, err := openDir(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lock(dir, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return os.RemoveAll(path)
}
