package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Place puts the files that have come in their places. After an error, and whenever the group does not come to life, Undo puts back what
// was there.
func (r *Receiver) Place() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil || r.over {
		return errors.New("the other host did not say which files come along")
	}
	for _, f := range r.list.Folders {
		if err := r.makeFolder(f); err != nil {
			return err
		}
	}
	puts, err := r.plan()
	if err != nil {
		return err
	}
	if err := errors.Join(r.ledger.note(puts...), r.ledger.sync()); err != nil {
		return err
	}
	for _, l := range puts {
		if err := r.put(l); err != nil {
			return err
		}
	}
	return nil
}

// passed is called behind each step.
func (r *Receiver) passed(what string, path text) error {
	if r.step == nil {
		return nil
	}
	return r.step(what + " " + string(path))
}

// makeFolder makes a directory if it is not there.
func (r *Receiver) makeFolder(f Folder) error {
	if !proper(f.Path) || !movable(f.Path) {
		return fmt.Errorf("the other host sent a directory that it may not send: %q", f.Path)
	}
	dir, err := r.tree.folder(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(f.Path)
	st, err := stat(dir, name)
	if err != nil {
		return err
	}
	if st != nil {
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return &placeError{f.Path, kindOf(st.Mode)}
		}
		return nil
	}
	if err := r.ledger.note(line{Do: doMake, Path: text(f.Path)}); err != nil {
		return err
	}
	fd := int(dir.Fd())
	err = unix.Mkdirat(fd, name, 0o700)
	if err == nil {
		err = unix.Fchownat(fd, name, int(f.Attr.UID), int(f.Attr.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		err = chmodFolder(fd, name, f.Attr.Mode)
	}
	if err != nil {
		return &os.PathError{Op: "make", Path: f.Path, Err: err}
	}
	return r.passed(doMake, text(f.Path))
}

// chmodFolder changes the mode of a directory, and of nothing behind a link.
func chmodFolder(dir int, name string, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode&0o7777)
}

// plan looks what there is at the places of all files.
func (r *Receiver) plan() ([]line, error) {
	var puts []line
	for _, id := range r.list.Items {
		in := r.items[id]
		if in == nil || !in.whole {
			return nil, fmt.Errorf("file %d has not come whole", id)
		}
		dir, err := r.tree.folder(filepath.Dir(in.path))
		if err != nil {
			return nil, err
		}
		st, err := stat(dir, filepath.Base(in.path))
		dir.Close()
		if err != nil {
			return nil, err
		}
		l := line{Do: doPut, Path: text(in.path), Temp: text(in.temp), Device: in.state.device, Inode: in.state.inode}
		if st != nil {
			if st.Mode&unix.S_IFMT != unix.S_IFREG {
				return nil, &placeError{in.path, kindOf(st.Mode)}
			}
			l.Was = st.Ino
			l.Backup = text(filepath.Join(filepath.Dir(in.path), r.hidden(id, ".old")))
		}
		puts = append(puts, l)
	}
	return puts, nil
}

// put puts one file in its place.
func (r *Receiver) put(l line) error {
	dir, err := r.tree.folder(filepath.Dir(string(l.Path)))
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := r.tree.folder(filepath.Dir(string(l.Temp)))
	if err != nil {
		return err
	}
	defer from.Close()
	name, temp := filepath.Base(string(l.Path)), filepath.Base(string(l.Temp))
	if st, err := stat(from, temp); err != nil || !(state{device: l.Device, inode: l.Inode}).same(st) {
		return errors.Join(err, fmt.Errorf("%s was replaced meanwhile", l.Temp))
	}
	if l.Backup == "" {
		err = rename(from, temp, dir, name)
	} else {
		err = r.replace(l, from, dir)
	}
	if err != nil {
		return &os.PathError{Op: "put", Path: string(l.Path), Err: err}
	}
	return r.passed(doPut, l.Path)
}

// replace puts a file in the place of another, which gets the name of the backup. Where that is possible there is no moment at
// which neither has the name. Nothing is linked: who has the old file open finds that under its name again if it gets that back.
func (r *Receiver) replace(l line, from, dir *os.File) error {
	name, temp, backup := filepath.Base(string(l.Path)), filepath.Base(string(l.Temp)), filepath.Base(string(l.Backup))
	err := error(unix.EINVAL)
	if !r.simple {
		err = unix.Renameat2(int(from.Fd()), temp, int(dir.Fd()), name, unix.RENAME_EXCHANGE)
	}
	if cannot(err) {
		if err := rename(dir, name, dir, backup); err != nil {
			return err
		}
		if err := r.passed("keep", l.Path); err != nil {
			return err
		}
		return rename(from, temp, dir, name)
	}
	if err != nil {
		return err
	}
	if err := r.passed("exchange", l.Path); err != nil {
		return err
	}
	return rename(from, temp, dir, backup)
}

// rename renames a file, and replaces none.
func rename(from *os.File, name string, to *os.File, as string) error {
	err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), as, unix.RENAME_NOREPLACE)
	if cannot(err) {
		err = unix.Renameat(int(from.Fd()), name, int(to.Fd()), as)
	}
	return err
}

// cannot says whether an error means that a file system does not know how to do that.
func cannot(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
