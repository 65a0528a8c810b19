package harness

import (
	"testing"

	"rock/tests/lab"
)

// SupervisorOf waits for the supervisor of a group on a host, which is not the one that was there before if that is given, and
// has a trustee. word is an argument of the group's command.
func SupervisorOf(t testing.TB, h *lab.Host, word string, before int) Process {
	t.Helper()
	var found Process
	Until(t, "a supervisor with a trustee", func() bool {
		for _, p := range Named(h, "rock-supervisor", word) {
			if p.Pid != before && len(Named(h, "rock-trustee", word)) > 0 {
				found = p
				return true
			}
		}
		return false
	})
	return found
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
