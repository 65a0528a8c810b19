package interpose

import "sync"

// legs are the legs that run now.
type legs struct {
	mu  sync.Mutex
	set map[*leg]struct{}
}

func (s *legs) add(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[*leg]struct{}{}
	}
	s.set[l] = struct{}{}
}

func (s *legs) remove(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, l)
}

func (s *legs) all() []*leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*leg, 0, len(s.set))
	for l := range s.set {
		all = append(all, l)
	}
	return all
}

// of returns the leg of a socket, nil if it has none.
func (s *legs) of(sock *socket) *leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.set {
		if l.sock == sock {
			return l
		}
	}
	return nil
}
