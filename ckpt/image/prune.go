package image

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Prune keeps the newest images in dir whose names have the prefix and removes the others. What is no complete
// image is neither counted nor removed, and an image that is open stays. An image is renamed to a hidden name before it is
// removed, so that nobody sees a part of one; what a process that died has left of such is removed too.
//
// The error tells of all that could not be removed.
func Prune(dir, prefix string, keep int) error {
	if keep < 0 {
		return fmt.Errorf("prune images: cannot keep %d", keep)
	}
	images, err := complete(dir, prefix)
	if err != nil {
		return fmt.Errorf("prune images: %w", err)
	}
	removeDead(dir, prunedPrefix(prefix))
	var errs []error
	for _, c := range images[min(keep, len(images)):] {
		if err := remove(dir, c.name, prefix); err != nil {
			errs = append(errs, fmt.Errorf("prune image: %w", err))
		}
	}
	return errors.Join(errs...)
}

func prunedPrefix(prefix string) string { return "." + prefix + ".pruned-" }

type candidate struct {
	name    string
	created time.Time
}

// complete returns complete images, newest first.
func complete(dir, prefix string) ([]candidate, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var images []candidate
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		i, err := Open(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		images = append(images, candidate{e.Name(), i.manifest.Created})
		i.Close()
	}
	slices.SortFunc(images, func(a, b candidate) int {
		return cmp.Or(b.created.Compare(a.created), strings.Compare(b.name, a.name))
	})
	return images, nil
}

// remove removes an image unless it is in use.
func remove(dir, name, prefix string) error {
	path := filepath.Join(dir, name)
	f, err := openDir(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	} else if err != nil {
		return err
	}
	hidden, err := os.MkdirTemp(dir, prunedPrefix(prefix))
	if err != nil {
		return err
	}
	if err := unix.Rename(path, hidden); err != nil {
		return errors.Join(&os.LinkError{Op: "rename", Old: path, New: hidden, Err: err}, os.Remove(hidden))
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return os.RemoveAll(hidden)
}
