package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Group is a cgroup that holds the processes of one group and nothing else. Its methods may
// be called from any goroutines; Around, Freeze, Thaw and Kill wait for each other. Two Groups for one
// cgroup know nothing of each other.
type Group struct {
	path    string
	control control
	busy    chan struct{} // has room for one: who freezes, thaws, kills or starts
}

// New makes the cgroup name below the cgroup of this process, of version 2 if possible and else
// of version 1. The error is an [*Error]; it is fs.ErrExist if there is one of that name, which
// may be left from a dead process: see [Open].
func New(name string) (*Group, error) {
	g, err2 := NewVersion(name, 2)
	if err2 == nil {
		return g, nil
	}
	if errors.Is(err2, os.ErrExist) {
		return nil, err2
	}
	g, err1 := NewVersion(name, 1)
	if err1 == nil {
		return g, nil
	}
	// The remedy is for the version that is there.
	e2, e1 := err2.(*Error), err1.(*Error)
	if errors.Is(err1, errNone) {
		return nil, e2
	}
	if errors.Is(err2, errNone) {
		return nil, e1
	}
	return nil, &Error{
		e2.Op, e2.Path, fmt.Errorf("%w; the freezer of version 1: %w", e2.Err, e1.Err), e2.Remedy,
	}
}

// NewVersion is New for one version only, 1 or 2.
func NewVersion(name string, version int) (*Group, error) {
	const op = "make cgroup"
	if version != 1 && version != 2 {
		return nil, &Error{op, name, fmt.Errorf("there is no version %d", version), ""}
	}
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\n") {
		return nil, &Error{op, name, errors.New("not a name for a cgroup"), ""}
	}
	dirs, err := own("self", version)
	if err != nil {
		return nil, &Error{op, name, err, "mount /proc"}
	}
	first := &Error{op, name, errNone, mountRemedy(version)}
	for i, dir := range dirs {
		g, err := create(filepath.Join(dir, name), version)
		if err == nil {
			return g, nil
		}
		if e := fail(op, filepath.Join(dir, name), err); i == 0 || errors.Is(err, os.ErrExist) {
			first = e
		}
	}
	return nil, first
}

var errNone = errors.New("no cgroup filesystem that can freeze is mounted")

func mountRemedy(version int) string {
	if version == 1 {
		return "mount -t cgroup -o freezer none DIRECTORY"
	}
	return "mount -t cgroup2 none DIRECTORY"
}

// create makes the cgroup at path.
func create(path string, version int) (*Group, error) {
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	g, err := adopt(path)
	if err == nil && g.control.version() != version {
		err = fmt.Errorf("hidden by another mount, of cgroup version %d", g.control.version())
	}
	if err == nil {
		err = g.control.holds()
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return g, nil
}

// Open returns the group of an existing cgroup, given by its directory. The error is an
// [*Error].
func Open(path string) (*Group, error) {
	const op = "open cgroup"
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fail(op, path, err)
	}
	g, err := adopt(abs)
	if err != nil {
		return nil, fail(op, abs, err)
	}
	return g, nil
}

// adopt returns the group of the cgroup at path if it can be frozen.
func adopt(path string) (*Group, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return nil, err
	}
	g := &Group{path: path, busy: make(chan struct{}, 1)}
	switch fs.Type {
	case unix.CGROUP2_SUPER_MAGIC:
		g.control = v2{path}
	case unix.CGROUP_SUPER_MAGIC:
		g.control = v1{path}
	default:
		return nil, errors.New("not in a cgroup filesystem")
	}
	if _, err := g.control.frozen(); err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return nil, errors.New("not a cgroup that can be frozen (the root cannot, nor one without the freezer controller)")
		}
		return nil, err
	}
	return g, nil
}

// Path returns the directory of the cgroup, which CRIU wants as freeze_cgroup.
func (g *Group) Path() string { return g.path }

// Version returns the cgroup version, 1 or 2.
func (g *Group) Version() int { return g.control.version() }

// acquire waits until nobody else changes the group. The group is released by calling
// what it returns.
func (g *Group) acquire(ctx context.Context) (release func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	select {
	case g.busy <- struct{}{}:
		return func() { <-g.busy }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
