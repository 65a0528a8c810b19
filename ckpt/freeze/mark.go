package freeze

import (
	"errors"

	"golang.org/x/sys/unix"
)

// markName is an extended attribute of the cgroup's directory: it lives as long as the cgroup does, whoever dies.
const markName = "trusted.rock.gone"

// Mark notes at the cgroup that its processes are alive elsewhere, so that they must never run again here. It survives
// this process. The error is an [*Error].
func (g *Group) Mark() error {
	if err := unix.Setxattr(g.path, markName, []byte{1}, 0); err != nil {
		return fail("mark cgroup", g.path, err)
	}
	return nil
}

// Unmark takes Mark back.
func (g *Group) Unmark() error {
	if err := unix.Removexattr(g.path, markName); err != nil && !errors.Is(err, unix.ENODATA) {
		return fail("take the mark from cgroup", g.path, err)
	}
	return nil
}

// Marked says whether there is a mark.
func (g *Group) Marked() bool {
	_, err := unix.Getxattr(g.path, markName, nil)
	return err == nil
}
