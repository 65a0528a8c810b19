package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Undo puts everything back that a migration has changed, whose directory is place: after it, nothing of it is left but what others have
// changed since. It may be called at any time when no Receiver is at work there, any number of times.
func (t Tree) Undo(place string) error {
	return withLedger(filepath.Join(place, LedgerFile), func(lines []line) error {
		var errs []error
		for _, l := range slices.Backward(lines) {
			switch l.Do {
			case doPut:
				errs = append(errs, t.takeBack(l))
			case doTemp:
				errs = append(errs, t.remove(string(l.Path)))
			case doMake:
				errs = append(errs, t.removeFolder(string(l.Path)))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("put files back: %w", err)
		}
		return nil
	})
}

// Settle is for a group that lives: the files are its own, and what was there before is removed.
func (t Tree) Settle(place string) error {
	return withLedger(filepath.Join(place, LedgerFile), func(lines []line) error {
		var errs []error
		for _, l := range lines {
			if l.Do == doPut && l.Backup != "" {
				errs = append(errs, t.remove(string(l.Backup)))
			} else if l.Do == doTemp { // if it has no other name by now
				errs = append(errs, t.remove(string(l.Path)))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("remove old files: %w", err)
		}
		return nil
	})
}

// takeBack undoes a put, or what there is of one.
func (t Tree) takeBack(l line) error {
	dir, err := t.folder(filepath.Dir(string(l.Path)))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(string(l.Path))
	now, err := stat(dir, name)
	if err != nil {
		return err
	}
	ours := (state{device: l.Device, inode: l.Inode}).same(now)
	if l.Backup == "" {
		if !ours {
			return nil
		}
		return unlink(dir, name)
	}
	backup := filepath.Base(string(l.Backup))
	if err := t.saveExchanged(l, dir); err != nil {
		return err
	}
	old, err := stat(dir, backup)
	if err != nil || old == nil {
		return err // it has not come so far, or is done
	}
	if now != nil && !ours {
		return fmt.Errorf("%s was changed by somebody meanwhile; what was there before is %s", l.Path, l.Backup)
	}
	if err := unix.Renameat(int(dir.Fd()), backup, int(dir.Fd()), name); err != nil {
		return &os.PathError{Op: "put back", Path: string(l.Path), Err: err}
	}
	return nil
}

// saveExchanged gives the old file the name of the backup if it still has that of the new one.
func (t Tree) saveExchanged(l line, dir *os.File) error {
	from, err := t.folder(filepath.Dir(string(l.Temp)))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	temp := filepath.Base(string(l.Temp))
	st, err := stat(from, temp)
	if err != nil || !(state{device: l.Device, inode: l.Was}).same(st) {
		return err
	}
	if err := rename(from, temp, dir, filepath.Base(string(l.Backup))); err != nil {
		return &os.PathError{Op: "put back", Path: string(l.Path), Err: err}
	}
	return nil
}

// removeFolder removes a directory that was made, unless somebody has put something into it.
func (t Tree) removeFolder(path string) error {
	dir, err := t.folder(filepath.Dir(path))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Unlinkat(int(dir.Fd()), filepath.Base(path), unix.AT_REMOVEDIR)
	if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return &os.PathError{Op: "remove", Path: path, Err: err}
}
