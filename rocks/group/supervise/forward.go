package supervise

import (
	"context"
	"time"

	"rock/rocks/group"
)

// leaveForwarding has the endpoint tell peers from now on where the group's rocks are.
func (s *supervisor) leaveForwarding() {
	w, ok := s.interposition.(*withRocks)
	if !ok {
		return
	}
	for _, st := range s.moved.Rocks {
		w.endpoint.Forward(st, s.moved.Resume)
	}
}

// forward stays for peers that look for the group here, because they have moved at the same time, until the
// group comes back or its rocks have reached their time limit.
func (s *supervisor) forward() {
	w, ok := s.interposition.(*withRocks)
	if !ok || len(s.moved.Rocks) == 0 || s.server == nil {
		s.close(context.Background())
		return
	}
	s.dismiss() // nothing is left for an heir
	s.state.set(group.Ending)
	brief, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.interposer.Close(brief) // nothing of it is to be delivered
	s.removeCell()
	if err := s.registration.Retire(); err != nil {
		s.log.Warn("peers are not told where the group is", "error", err)
	} else {
		s.log.Info("forwarding", "host", s.moved.Host, "rocks", len(s.moved.Rocks))
		s.channel.Close() // the front has left
		limit := time.NewTimer(s.timeout)
		defer limit.Stop()
		select {
		case <-limit.C:
		case <-s.leave:
		case <-s.brief.Done():
		}
	}
	_ = w.endpoint.Close()
	s.withdraw()
}

// Leave answers the control socket: the group comes back.
func (s *supervisor) Leave() error {
	s.leaveOnce.Do(func() { close(s.leave) })
	return nil
}
