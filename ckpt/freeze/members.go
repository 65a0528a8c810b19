package freeze

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Pids returns the ids of the processes in the group, in ascending order, those in cgroups
// which they made inside of it included. There are none of zombies, nor of processes
// that are not in our pid namespace. The error is an [*Error], fs.ErrNotExist if the cgroup is gone.
func (g *Group) Pids() ([]int, error) {
	return g.members("cgroup.procs")
}

// members returns the ids in the file of that name of each of the cgroups.
func (g *Group) members(file string) ([]int, error) {
	const op = "list processes of cgroup"
	dirs, err := g.dirs()
	if err != nil {
		return nil, fail(op, g.path, err)
	}
	var ids []int
	for _, dir := range dirs {
		list, err := read(dir, file)
		if err != nil && !mayMiss(g.path, dir, err) {
			return nil, fail(op, dir, err)
		}
		for field := range strings.FieldsSeq(list) {
			// A process that we cannot see is 0, and a signal to that would be one to ourselves.
			if id, err := strconv.Atoi(field); err == nil && id > 0 {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil // a process may have threads in several cgroups (version 1)
}

// mayMiss says that it is all right that a list could not be read: the cgroup is one inside of
// the group and has been removed meanwhile, or it is for threads, whose processes the group itself
// lists.
func mayMiss(group, dir string, err error) bool {
	return dir != group && (gone(err) || errors.Is(err, unix.EOPNOTSUPP))
}

// gone says that a cgroup has been removed: that is ENODEV if the file was open before.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) }

// dirs returns the directories of the group and of the cgroups inside of it, outer before inner ones.
func (g *Group) dirs() ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(g.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path != g.path && gone(err) {
				return nil
			}
			return err
		}
		if entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs, err
}

// Remove removes the cgroup and those inside of it. It is no error if that has been done.
// As the last processes may not be gone altogether, it tries for up to two seconds.
func (g *Group) Remove() error {
	var tried int64
	for p := (pause{}); ; p.wait() {
		err := g.remove()
		if err == nil || gone(err) {
			return nil
		}
		if tried += int64(p.d); !errors.Is(err, unix.EBUSY) || tried > int64(settle) {
			return fail("remove cgroup", g.path, err)
		}
	}
}

func (g *Group) remove() error {
	dirs, err := g.dirs()
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !gone(err) {
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}
