package supervise

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
)

// state is the state of the group, one of the constants of package group. The watching goroutine
// sets it, those of the control socket read it.
type state struct{ v atomic.Value }

func (s *state) set(v string) { s.v.Store(v) }

// swap sets the state if it is still old.
func (s *state) swap(old, new string) { s.v.CompareAndSwap(old, new) }

func (s *state) get() string {
	v, _ := s.v.Load().(string)
	return v
}

// runningState is the state of a group whose processes run.
func (s *supervisor) runningState() string {
	if s.interposition == nil {
		return group.Ordinary
	}
	return group.Running
}

// Info describes the group for the control socket.
func (s *supervisor) Info() group.Info {
	return group.Info{
		ID: s.registration.ID, Name: s.plan.Name, Pid: s.pid, Front: s.plan.Front, Supervisor: os.Getpid(),
		Command: s.command, State: s.state.get(), Rocks: len(s.Rocks()), Started: s.started,
		Port: s.port(),
	}
}

// port is where peers resume the group's rocks; 0 if it has none.
func (s *supervisor) port() uint16 {
	if w, ok := s.interposition.(*withRocks); ok {
		return w.endpoint.ResumeAddr().Port()
	}
	return 0
}

// Rocks describes the rocks for the control socket.
func (s *supervisor) Rocks() []group.Rock {
	if s.interposition == nil {
		return nil
	}
	return s.interposition.Rocks()
}

// describe returns how a process ended, for the log.
func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// device returns the rdev of a terminal, 0 if fd is none.
func device(fd int) uint64 {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0
	}
	return st.Rdev
}

// pipes returns the names of those descriptors of this process that are pipes.
func pipes(fds []int) []string {
	var names []string
	for _, fd := range fds {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && strings.HasPrefix(name, "pipe:") {
			names = append(names, name)
		}
	}
	return names
}
