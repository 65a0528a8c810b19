package freeze

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// control is a cgroup's control files.
type control interface {
	version() int
	set(frozen bool) error // returns before it is so
	frozen() (bool, error) // all tasks are
	thawed() (bool, error) // no task is held, neither by this cgroup nor by one above
	again() error          // asks once more that it be frozen
	round() error          // thaws and asks anew
	threads() string       // the file with the ids of threads
	holds() error          // says why no process can be in it
}

// v2 is a cgroup of version 2, by its directory.
type v2 struct{ dir string }

func (v2) version() int { return 2 }

func (c v2) set(frozen bool) error {
	if frozen {
		return write(c.dir, "cgroup.freeze", "1")
	}
	return write(c.dir, "cgroup.freeze", "0")
}

func (c v2) frozen() (bool, error) {
	events, err := read(c.dir, "cgroup.events")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(events) {
		if value, ok := strings.CutPrefix(line, "frozen "); ok {
			return strings.TrimSpace(value) == "1", nil
		}
	}
	return false, errors.New("the kernel cannot freeze a version 2 cgroup (Linux 5.2 can)")
}

func (c v2) thawed() (bool, error) {
	frozen, err := c.frozen()
	return !frozen, err
}

// The kernel does not forget a task of a version 2 cgroup.
func (v2) again() error { return nil }
func (v2) round() error { return nil }

func (v2) threads() string { return "cgroup.threads" }

func (c v2) holds() error {
	kind, err := read(c.dir, "cgroup.type")
	if err == nil && kind != "domain" {
		err = fmt.Errorf("the cgroup above it is for threads (its type is %q)", kind)
	}
	return err
}

// v1 is a cgroup of the freezer hierarchy of version 1, by its directory.
type v1 struct{ dir string }

func (v1) version() int { return 1 }

func (c v1) set(frozen bool) error {
	if frozen {
		return write(c.dir, "freezer.state", "FROZEN")
	}
	return write(c.dir, "freezer.state", "THAWED")
}

// frozen also makes the kernel look, which says FREEZING until somebody asks.
func (c v1) frozen() (bool, error) {
	state, err := read(c.dir, "freezer.state")
	return state == "FROZEN", err
}

func (c v1) thawed() (bool, error) {
	state, err := read(c.dir, "freezer.state")
	return state == "THAWED", err
}

// again makes the kernel wake those tasks once more that had not seen it.
func (c v1) again() error { return c.set(true) }

// round is what helps if the kernel has lost a task, as runc and CRIU found.
func (c v1) round() error {
	if err := c.set(false); err != nil {
		return err
	}
	return c.set(true)
}

func (v1) threads() string { return "tasks" }

// A hierarchy that freezer shares with cpuset could not, but nobody mounts that.
func (v1) holds() error { return nil }

// write writes to a control file. The error has the path.
func write(dir, file, value string) error {
	// Not os.WriteFile, which would make the file, and the error a misleading one.
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}

// read returns a control file without the last newline. The error has the path.
func read(dir, file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSuffix(string(b), "\n"), err
}
