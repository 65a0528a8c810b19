package supervise

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// decisionPause is between looks at what the guard has made of the group.
const decisionPause = 20 * time.Millisecond

// awaitDecision waits until the guard has decided whether the group, which was in the middle of an operation, goes on here, if
// need be until somebody else has who knows more. It reports whether it is elsewhere.
func (s *supervisor) awaitDecision(h *inheritance) (elsewhere bool, err error) {
	if h.Operation.Guard == 0 {
		return false, nil
	}
	if guard := endOf(h.Operation.Guard); guard != nil {
		<-guard
	}
	cell, err := s.ckpt.OpenCell(h.Cell)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for {
		pids, err := cell.Pids()
		if err != nil {
			return errors.Is(err, fs.ErrNotExist), nil
		}
		switch {
		case len(pids) == 0:
			return true, nil
		case !cell.Marked() && thaw(cell):
			go s.keepThawed(cell)
			return false, nil
		}
		time.Sleep(decisionPause)
	}
}

// criuTime is how long a CRIU may go on that has lost its supervisor.
const criuTime = 15 * time.Second

// keepThawed sees to it that the group stays thawed. A CRIU that has not noticed yet that the supervisor is dead freezes the group again, and
// when it gives up leaves it as it was when the supervisor had frozen it.
func (s *supervisor) keepThawed(cell Cell) {
	for end := time.Now().Add(criuTime); time.Now().Before(end); time.Sleep(decisionPause) {
		frozen, err := cell.Frozen()
		if now := s.state.get(); err == nil && frozen && (now == group.Running || now == group.Stopped) {
			thaw(cell) // an operation of ours would have changed the state before it froze anything
		}
	}
}

// thawTime bounds a wait for the kernel.
const thawTime = 100 * time.Millisecond

// thaw thaws a cell that is frozen, and reports whether it is not any more.
func thaw(cell Cell) bool {
	frozen, err := cell.Frozen()
	if err != nil || !frozen {
		return err == nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), thawTime)
	defer cancel()
	return cell.Thaw(ctx) == nil
}

// tellElsewhere does the rest for a group that is elsewhere.
func (s *supervisor) tellElsewhere(h *inheritance) int {
	s.log.Warn("the supervisor died when the group had gone", "image", h.Operation.Image, "host", h.Operation.Host)
	s.pid = h.Pid
	s.away.Store(&away{image: h.Operation.Image, host: h.Operation.Host})
	s.tell(stage.Inherited{})
	front := s.hearFront()
	for ended := false; !ended; {
		select {
		case status := <-s.waited:
			ended = s.took(status)
		case <-front:
			ended = true
		}
	}
	if h.Cell != "" {
		if cell, err := s.ckpt.OpenCell(h.Cell); err == nil {
			_ = cell.Remove()
		}
	}
	s.inheritRegistration(h)
	s.withdraw()
	return 0
}
