package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"rock/tests/lab"
)

// supervisors are those on a host that serve a group, which a word is among the arguments of if that is not empty, and that have an heir to come.
func supervisors(h *lab.Host, word string) []Process {
	all := Processes(h)
	return slices.DeleteFunc(Named(h, "rock-supervisor", word), func(p Process) bool {
		trustee := slices.ContainsFunc(all, func(q Process) bool { return q.Name == "rock-trustee" && q.Parent == p.Parent })
		return !trustee || !serves(p)
	})
}

// serves reports whether a process has a seccomp listener.
func serves(p Process) bool {
	fds, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.Pid), "fd", "*"))
	return slices.ContainsFunc(fds, func(fd string) bool {
		name, _ := os.Readlink(fd)
		return name == "anon_inode:seccomp notify"
	})
}

// SupervisorOf waits for the supervisor of a group on a host that has a trustee, and is not the one with the pid before. word is an
// argument of the group's command.
func SupervisorOf(t testing.TB, h *lab.Host, word string, before int) Process {
	t.Helper()
	var found Process
	Until(t, "a supervisor with a trustee", func() bool {
		for _, p := range supervisors(h, word) {
			if p.Pid != before {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// SupervisorFor waits for the supervisor of a group that is given by its command: its parent, or an heir of that.
func SupervisorFor(t testing.TB, h *lab.Host, command Process) Process {
	t.Helper()
	var found Process
	Until(t, "the supervisor of "+command.Name, func() (ok bool) {
		found, ok = FindSupervisor(h, command)
		return ok
	})
	return found
}

// FindSupervisor is SupervisorFor without waiting: there may be none.
func FindSupervisor(h *lab.Host, command Process) (Process, bool) {
	for _, p := range supervisors(h, "") {
		if p.Pid == command.Parent || slices.Contains(p.Args, command.Args[0]) {
			return p, true
		}
	}
	return Process{}, false
}

// KillSupervisor kills the supervisor of a group; its heir goes on in its place, and is returned.
func KillSupervisor(t testing.TB, h *lab.Host, word string) Process {
	t.Helper()
	p := SupervisorOf(t, h, word, 0)
	p.Kill(t)
	return SupervisorOf(t, h, word, p.Pid)
}

// KillHeirless kills the supervisor of a group, and its trustee before, so that there is no heir.
func KillHeirless(t testing.TB, h *lab.Host, word string) {
	t.Helper()
	p := SupervisorOf(t, h, word, 0)
	for _, trustee := range Named(h, "rock-trustee", word) {
		trustee.Kill(t)
	}
	p.Kill(t)
}
