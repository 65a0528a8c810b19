package supervise

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// watch tells the front how the command fares until no process of the group is left.
func (s *supervisor) watch(children <-chan os.Signal) {
	front := s.hearFront()
	parent := s.frontParent()
	for ended := false; ; {
		if !ended {
			ended = s.watchCommand()
		}
		if left := buryOrphans(s.pid); !left && ended {
			return
		}
		select {
		case <-children:
		case <-parent:
			parent = nil
			hangUp(s.plan.Group, s.plan.Front)
		case <-front:
			front = nil
			s.frontGone(ended)
		}
	}
}

// hearFront takes in what the front says, and returns a channel that is closed when it is gone.
func (s *supervisor) hearFront() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			m, _, err := s.channel.Receive()
			if err != nil {
				return
			}
			if w, ok := m.(stage.Waited); ok {
				s.waited <- w.Status
			}
		}
	}()
	return gone
}

// frontParent returns a channel that is closed when the front's parent ends, nil if that does not matter.
func (s *supervisor) frontParent() <-chan struct{} {
	if s.plan.OwnSession() {
		return nil // the kernel sees to it: see orphans.go
	}
	return endOf(s.plan.Parent)
}

// frontGone takes in that the front is gone.
func (s *supervisor) frontGone(ended bool) {
	if !ended && !s.plan.Detached {
		// Only SIGKILL takes the front away from a command that lives. It was meant for
		// the command.
		s.log.Warn("the front was killed: killing the command")
		_ = unix.Kill(s.pid, unix.SIGKILL)
	}
}

// watchCommand tells the front what has happened to the command, and whether it has ended.
func (s *supervisor) watchCommand() (ended bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(s.pid, &status, unix.WNOHANG|unix.WUNTRACED|unix.WCONTINUED, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			s.log.Error("command lost", "error", err)
			s.tell(stage.Exited{Status: 125 << 8})
			return true
		case pid == 0:
			return false
		case s.took(status):
			return true
		}
	}
}

// took tells the front what a wait for the command has given, and whether that is its end.
func (s *supervisor) took(status unix.WaitStatus) (ended bool) {
	switch {
	case status.Stopped() && status>>16 != 0:
		// By ourselves, as its tracer: see package ckpt.
	case status.Stopped():
		s.stopped(status.StopSignal())
	case status.Continued():
		s.continued()
	default:
		s.log.Info("command ended", "status", describe(status))
		s.cancelNudge()
		s.state.set(s.runningState())
		if !s.plan.OwnSession() {
			releaseSession(s.plan.Group)
		}
		s.ended(status)
		return true
	}
	return false
}

func (s *supervisor) stopped(sig syscall.Signal) {
	s.log.Debug("command stopped", "signal", unix.SignalName(sig))
	s.state.set(group.Stopped)
	s.cancelNudge()
	s.tell(stage.Stopped{Signal: int(sig)})
}

// groupTime is longer than the kernel takes to signal a process group.
const groupTime = 20 * time.Millisecond

// continued continues the front too, if need be. Who continued the command mostly signalled the process
// group, and then one more SIGCONT would only confuse the front: so that is left some time to arrive.
func (s *supervisor) continued() {
	s.log.Debug("command continued")
	s.state.set(s.runningState())
	s.tell(stage.Continued{})
	s.cancelNudge()
	if s.plan.Detached {
		return
	}
	s.nudge = time.AfterFunc(groupTime, func() {
		if isStopped(s.plan.Front) && !isStopped(s.pid) {
			_ = unix.Kill(s.plan.Front, unix.SIGCONT)
		}
	})
}

func (s *supervisor) cancelNudge() {
	if s.nudge != nil {
		s.nudge.Stop()
	}
}

// isStopped says whether a process is stopped.
func isStopped(pid int) bool {
	p, err := stage.ReadProcess(pid)
	return err == nil && p.State == 'T'
}

// tell sends a message to the front. That it is gone shows elsewhere.
func (s *supervisor) tell(m stage.Message) {
	if err := s.channel.Send(m); err != nil {
		s.log.Debug("front not told", "error", err)
	}
}
