package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/estate"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/interpose"
	"rock/rocks/interpose/seccomp"
)

// Inherit is a supervisor that goes on in the place of one that has died. fd is the descriptor of its estate; all others that it had open are
// open here. If this process cannot go on it ends, and the front does what is left to do.
func Inherit(fd int, command []string, ckpt Checkpointer) int {
	stage.Title("rock-supervisor")
	s, h, err := takeOver(fd, command, ckpt)
	if err != nil {
		return 1 // nobody can be told: the log may not be open
	}
	return s.succeed(h)
}

// inheritance is what an heir has found.
type inheritance struct {
	*papers
	estate *estate.Estate
	legacy *interpose.Legacy
}

// takeOver reads the estate and closes what is not in it, so that peers and others notice that the supervisor has died.
func takeOver(fd int, command []string, ckpt Checkpointer) (*supervisor, *inheritance, error) {
	had := openDescriptors()
	e, err := estate.Open(os.NewFile(uintptr(fd), "estate"))
	if err != nil {
		return nil, nil, err
	}
	p, err := readPapers(e)
	if err != nil {
		return nil, nil, err
	}
	legacy, err := interpose.ReadLegacy(e)
	if err != nil {
		return nil, nil, err
	}
	if p.Operation.Guard != 0 {
		legacy.Rejoin(p.Home) // while the processes still stand still
	}
	keep := map[int]bool{fd: true}
	for _, fd := range append(p.descriptors(), legacy.Descriptors()...) {
		keep[fd] = true
	}
	for _, fd := range had {
		if !keep[fd] && !ours(fd) {
			_ = unix.Close(fd)
		}
	}
	channel, err := stage.Open(p.Channel)
	if err != nil {
		return nil, nil, err
	}
	s := newSupervisor(p.Plan, command, channel, ckpt)
	s.heir = true
	s.openLog(file(p.Log, "log"))
	s.keepTerminal(file(p.Master, "terminal"))
	return s, &inheritance{p, e, legacy}, nil
}

// ours reports a descriptor that the Go runtime may have opened for itself. Those that the one before has opened look the same, and stay.
func ours(fd int) bool {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return err == nil && (name == "anon_inode:[eventpoll]" || name == "anon_inode:[eventfd]" || strings.HasPrefix(name, "/sys/fs/cgroup/"))
}

func file(fd int, name string) *os.File {
	if fd < 0 {
		return nil
	}
	return os.NewFile(uintptr(fd), name)
}

// succeed goes on with the group.
func (s *supervisor) succeed(h *inheritance) int {
	began := time.Now()
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	stop := s.takeSignals()
	defer stop()
	elsewhere, err := s.awaitDecision(h)
	if err == nil && !elsewhere {
		err = s.inheritGroup(h)
	}
	if err != nil {
		s.log.Error("the supervisor died, and this one cannot go on in its place", "error", err)
		return 1
	}
	if elsewhere {
		return s.tellElsewhere(h)
	}
	s.log.Warn("the supervisor died: this one goes on in its place", "took", time.Since(began), "rocks", len(s.Rocks()))
	s.tell(stage.Inherited{})
	return s.serveGroup(children)
}

// inheritGroup goes on with what the supervisor before has left: connections, the cgroup, the place in the runtime directory.
func (s *supervisor) inheritGroup(h *inheritance) error {
	s.pid, s.started, s.inherited, s.terminal = h.Pid, h.Started, h.Inherited, h.Terminal
	for _, t := range append(h.Heirs, time.Now()) {
		if time.Since(t) < heirsTime {
			s.heirs = append(s.heirs, t)
		}
	}
	settings, err := group.LoadSettings(os.Getenv)
	if err != nil {
		s.log.Warn("going on with the timings that are built in", "error", err)
		settings = group.DefaultSettings()
	}
	settings.Timeout, s.timeout = h.Timeout, h.Timeout
	cfg, err := interposeConfig(settings, s.log, h.Port)
	if err != nil {
		return err
	}
	progress, err := seccomp.OpenProgress(file(h.Progress, "progress"))
	if err != nil {
		return err
	}
	defer progress.Close()
	ip, err := interpose.Inherit(context.Background(), cfg, h.legacy, seccomp.NewListener(h.Calls), progress, h.Home)
	if err != nil {
		return err
	}
	s.interposition = &withRocks{cfg.Endpoint, ip, cfg.Estate}
	if err := h.estate.Close(); err != nil { // all of it is in the new one
		s.log.Warn("estate not closed", "error", err)
	}
	if h.Cell != "" {
		if s.cell, err = s.ckpt.OpenCell(h.Cell); err != nil {
			s.log.Error("the group cannot be checkpointed any more", "error", err)
		}
	}
	s.state.set(s.runningState())
	s.inheritRegistration(h)
	s.appoint()
	return nil
}

// inheritRegistration takes over the group's place in the runtime directory, and its control socket.
func (s *supervisor) inheritRegistration(h *inheritance) {
	if h.Lock < 0 {
		return
	}
	dir, err := group.OpenDir(os.Getenv)
	if err == nil {
		s.registration, err = dir.Inherit(h.ID, file(h.Lock, "lock"))
	}
	if err == nil && h.Control >= 0 {
		s.server, err = group.ServeOn(file(h.Control, "control socket"), s, s.log)
	}
	if err != nil {
		s.log.Error("rockctl does not see this group any more", "error", err)
	}
}

// watchInherited is watch for a group whose processes are not descendants of this one. The front waits for the command.
func (s *supervisor) watchInherited() {
	front := s.hearFront()
	parent := s.frontParent()
	over := s.interposition.Done()
	for ended := false; ; {
		select {
		case status := <-s.waited:
			ended = s.took(status) || ended
		case <-over:
			over = nil
		case <-parent:
			parent = nil
			hangUp(s.plan.Group, s.plan.Front)
		case <-front:
			front = nil
			s.frontGone(ended || over == nil || !lives(s.pid))
		}
		if over == nil && (ended || front == nil) {
			return
		}
	}
}

// lives reports whether there is such a process, and it has not ended.
func lives(pid int) bool {
	p, err := stage.ReadProcess(pid)
	return err == nil && p.State != 'Z' && p.State != 'X'
}
