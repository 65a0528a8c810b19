package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"rock/ckpt/image"
	"rock/migrate/stream"
)

// arrival is an image that is being written as it comes. Its methods may be called from any goroutines.
type arrival struct {
	draft *image.Draft
	dir   string // where it is to be

	mu    sync.Mutex
	over  bool // nothing may come any more
	files map[uint32]*os.File
}

// newArrival makes room for an image at dir.
func newArrival(dir string) (*arrival, error) {
	draft, err := image.Create(dir)
	if err != nil {
		return nil, err
	}
	return &arrival{draft: draft, dir: dir, files: map[uint32]*os.File{}}, nil
}

// take takes one frame of a file.
func (a *arrival) take(f *stream.Frame) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return errors.New("the other host sent files after it had said that all are there")
	}
	if c := f.Chunk; c != nil {
		w := a.files[c.File]
		if w == nil {
			return fmt.Errorf("the other host sent a part of file %d, which it did not begin", c.File)
		}
		if _, err := w.WriteAt(c.Data, c.Offset); err != nil {
			return fmt.Errorf("write image: %w", err)
		}
		return nil
	}
	var begun file
	if err := f.Decode(&begun); err != nil {
		return err
	}
	if a.files[begun.ID] != nil {
		return fmt.Errorf("the other host began file %d twice", begun.ID)
	}
	w, err := a.draft.Create(begun.Name)
	if err != nil {
		return err
	}
	a.files[begun.ID] = w
	return nil
}

// complete makes an image of what has come.
func (a *arrival) complete(ctx context.Context, m *image.Manifest) error {
	if err := a.closeFiles(); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return a.draft.CommitBrief(ctx, m)
}

// abandon removes what has come, unless it is an image by now.
func (a *arrival) abandon() error { return errors.Join(a.closeFiles(), a.draft.Abandon()) }

// closeFiles closes what is open, for good.
func (a *arrival) closeFiles() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	var errs []error
	for id, f := range a.files {
		errs = append(errs, f.Close())
		delete(a.files, id)
	}
	return errors.Join(errs...)
}
