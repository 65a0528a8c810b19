package migrate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/files"
	"rock/migrate/stream"
	"rock/rocks/group"
)

// thisTree is the file system of this host.
var thisTree = files.Tree{Root: "/"}

// lookForFiles finds the files that are to come along; nil if none are asked for.
func (x *source) lookForFiles(m *image.Manifest) (*files.Bundle, []survey.Problem) {
	if !x.options.CopyFiles {
		return nil, nil
	}
	x.files = files.NewSender(x.conn, files.Choice{Paths: x.options.CopyPaths})
	b, problems := x.files.Look(m)
	x.bundle = b
	return b, problems
}

// filesAhead sends them while the group runs.
func (x *source) filesAhead(ctx context.Context) error {
	if x.files == nil {
		return nil
	}
	total := x.bundle.Bytes()
	return x.files.Ahead(ctx, func(done int64) {
		x.dialogue.Progress(group.Progress{Phase: "files", Done: done, Total: max(done, total)})
	})
}

// restOfFiles sends what has changed, when the group stands still.
func (x *source) restOfFiles(ctx context.Context, m *image.Manifest) error {
	if x.files == nil {
		return nil
	}
	return x.files.Finish(ctx, m)
}

// comes says which of the files that a group needs come along.
func (o *offer) comes() func(image.File) bool {
	known := map[string]bool{}
	if o.Files != nil {
		for _, i := range o.Files.Items {
			known[i.Path] = true
		}
		for _, f := range o.Files.Folders {
			if _, err := os.Lstat(f.Path); errors.Is(err, fs.ErrNotExist) {
				known[f.Path] = true // one that is there stays as it is
			}
		}
	}
	return func(f image.File) bool {
		if survey.Kind(f.Kind) == survey.KindDeleted {
			return known[filepath.Dir(f.Path)]
		}
		return known[f.Path]
	}
}

// withFiles gives files that come along to whoever takes these, and all other frames to take.
func (x *target) withFiles(take sink) *sink {
	if x.files != nil {
		inner := take
		take = func(f *stream.Frame) error {
			if ours, err := x.files.Take(f); ours {
				return err
			}
			return inner(f)
		}
	}
	return &take
}

// placeFiles puts the files in their places that have come along.
func (x *target) placeFiles() error {
	if x.files == nil {
		return nil
	}
	return errors.Join(x.files.Place(), x.files.Close())
}

// settleFiles removes what they have replaced, since the group lives. That this fails is no reason that it does not.
func (x *target) settleFiles() {
	if x.files == nil {
		return
	}
	if err := thisTree.Settle(x.place); err != nil {
		x.warned = append(x.warned, err.Error())
	}
}

// putFilesBack puts back what they have replaced.
func (x *target) putFilesBack() error {
	if x.files == nil {
		return nil
	}
	return errors.Join(x.files.Close(), thisTree.Undo(x.place))
}
