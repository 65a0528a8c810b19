package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
	files map[uint32]incoming
	store *store // nil: nothing is sent ahead
}

// incoming is a file that is being written.
type incoming struct {
	*os.File
	recipe bool // its chunks say how to make it
}

// newArrival makes room for an image at dir. Memory that is sent ahead goes to a store, unless that is nil.
func newArrival(dir string, s *store) (*arrival, error) {
	draft, err := image.Create(dir)
	if err != nil {
		return nil, err
	}
	return &arrival{draft: draft, dir: dir, files: map[uint32]incoming{}, store: s}, nil
}

// take takes one frame of a file.
func (a *arrival) take(f *stream.Frame) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return errors.New("the other host sent files after it had said that all are there")
	}
	if c := f.Chunk; c != nil {
		return a.chunk(c)
	}
	if f.Kind == kindRound {
		return a.round(f)
	}
	var begun file
	if err := f.Decode(&begun); err != nil {
		return err
	}
	if _, twice := a.files[begun.ID]; twice {
		return fmt.Errorf("the other host began file %d twice", begun.ID)
	}
	w, err := a.draft.Create(begun.Name)
	if err != nil {
		return err
	}
	a.files[begun.ID] = incoming{w, begun.Recipe}
	return nil
}

// chunk takes a part of a file.
func (a *arrival) chunk(c *stream.Chunk) error {
	if c.File == storeID && a.store != nil {
		return a.store.add(c)
	}
	w, begun := a.files[c.File]
	if !begun {
		return fmt.Errorf("the other host sent a part of file %d, which it did not begin", c.File)
	}
	if w.recipe {
		return a.follow(w.File, c.Data)
	}
	if _, err := w.WriteAt(c.Data, c.Offset); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}

// follow does what a chunk of a recipe says.
func (a *arrival) follow(w *os.File, recipe []byte) error {
	for len(recipe) > 0 {
		s, rest, err := nextStep(recipe)
		if err != nil {
			return err
		}
		recipe = rest
		if s.data == nil {
			err = a.store.copyTo(w, s.to, s.from, s.length)
		} else if _, err = w.WriteAt(s.data, s.to); err != nil {
			err = fmt.Errorf("write image: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// round ends a round of memory that was sent ahead.
func (a *arrival) round(f *stream.Frame) error {
	var r round
	if err := f.Decode(&r); err != nil {
		return err
	}
	if a.store == nil {
		return errors.New("the other host sent memory ahead that nobody has asked for")
	}
	return a.store.settle(r.Bytes)
}

// complete makes an image of what has come, if it is what was sent. The checksums of m are those of the source.
func (a *arrival) complete(ctx context.Context, m *image.Manifest) error {
	if err := a.closeFiles(); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	sent := m.Sums
	if err := a.draft.CommitBrief(ctx, m); err != nil {
		return err
	}
	if !slices.Equal(sent, m.Sums) {
		return fmt.Errorf("the image is not what the other host sent: %s", difference(sent, m.Sums))
	}
	return nil
}

// difference names a file that is not what was sent.
func difference(sent, came []image.Sum) string {
	for i, s := range sent {
		if i == len(came) || s != came[i] {
			return s.Name
		}
	}
	return came[len(sent)].Name
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
