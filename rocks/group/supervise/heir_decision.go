package supervise

import (
	"errors"
	"io/fs"
	"time"

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
		frozen, _ := cell.Frozen()
		switch {
		case len(pids) == 0:
			return true, nil
		case !frozen && !cell.Marked():
			return false, nil
		}
		time.Sleep(decisionPause)
	}
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
