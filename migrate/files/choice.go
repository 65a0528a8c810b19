package files

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
)

// mostItems bounds how many files come along: they are listed in one message.
const mostItems = 20000

// Choice says which files are to come along: the regular ones that the group has open, if they are of a kind that does, and those that
// are named.
type Choice struct {
	Paths []string // absolute, or relative to the working directory of the group; of a directory, all regular files below it
}

// chosen are the files and directories of a choice.
type chosen struct {
	mapped   map[string]bool // all files; true: it is mapped, so that its time of change may be late
	folders  map[string]Folder
	problems []survey.Problem
}

// choose looks what there is, for a group that m describes. If it is not the first time, files that are named may have gone meanwhile.
func (c Choice) choose(m *image.Manifest, again bool) *chosen {
	x := &chosen{mapped: map[string]bool{}, folders: map[string]Folder{}}
	for _, f := range m.Files {
		switch kind := survey.Kind(f.Kind); {
		case !proper(f.Path):
		case Carriable(f.Path, kind):
			x.add(f.Path, f.FD < 0)
		case kind == survey.KindDirectory && placeable(f.Path):
			x.folder(f.Path)
		case kind == survey.KindDeleted && placeable(filepath.Dir(f.Path)):
			x.folder(filepath.Dir(f.Path)) // where it is made again
		}
	}
	for _, path := range c.Paths {
		if err := x.named(m.Group.Dir, path); err != nil && !(again && errors.Is(err, fs.ErrNotExist)) {
			x.problem("--copy-files: "+err.Error(), "")
		}
	}
	if len(x.mapped) > mostItems {
		x.problem(fmt.Sprintf("%d files are to come along, and at most %d can", len(x.mapped), mostItems), "name fewer with --copy-files")
	}
	return x
}

func (x *chosen) problem(what, remedy string) {
	x.problems = append(x.problems, survey.Problem{What: what, Remedy: remedy})
}

// add adds a file and the directories above it.
func (x *chosen) add(path string, mapped bool) {
	x.mapped[path] = x.mapped[path] || mapped
	x.folder(filepath.Dir(path))
}

// folder adds a directory and those above it.
func (x *chosen) folder(path string) {
	for ; path != "/" && path != "."; path = filepath.Dir(path) {
		if _, known := x.folders[path]; known {
			return
		}
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			x.folders[path] = Folder{path, attributesOf(&st)}
		}
	}
}

// named adds what the user has named.
func (x *chosen) named(dir, path string) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if !movable(path) {
		return fmt.Errorf("%s cannot come along: what is there is of the running system", path)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return fmt.Errorf("%s is %s", path, kindOf(st.Mode))
	}
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // just now
		case err != nil:
			return err
		case entry.Type().IsRegular():
			x.add(path, false)
		case entry.IsDir() && !movable(path):
			return fs.SkipDir
		case entry.IsDir():
			x.folder(path)
		}
		if len(x.mapped) > mostItems {
			return fs.SkipAll // which is a problem anyway
		}
		return nil
	})
}

// paths returns the files in order.
func (x *chosen) paths() []string { return slices.Sorted(maps.Keys(x.mapped)) }

// list returns the directories in order: each before what is in it.
func (x *chosen) list() []Folder {
	var list []Folder
	for _, path := range slices.Sorted(maps.Keys(x.folders)) {
		list = append(list, x.folders[path])
	}
	return list
}

func attributesOf(st *unix.Stat_t) Attributes { return Attributes{st.Mode & 0o7777, st.Uid, st.Gid} }
