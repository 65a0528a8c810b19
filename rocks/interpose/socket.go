package interpose

import (
	"net/netip"
	"sync"
	"syscall"
	"time"

	"rock/rocks/estate"
)

// phase is where a socket of the program stands while it is not ordinary.
//
//	            dial succeeded
//	connecting ---------------> connected --> (forgotten when its leg ends)
//	     |
//	     | dial failed                  errno told
//	     +-------------------> failed --------------> (forgotten)
type phase uint8

const (
	phaseConnecting phase = iota // the program waits, the supervisor dials
	phaseConnected               // on a leg
	phaseFailed                  // errno waits to be asked for
)

// socket is what the supervisor knows of one socket of the program that is on
// a leg, or on its way there. It is found by cookie, which all duplicates of
// the socket share, in whatever process they are.
type socket struct {
	cookie uint64
	family int

	settled chan struct{} // closed when phase leaves connecting

	mu     sync.Mutex // guards the fields below
	phase  phase
	local  netip.AddrPort // what getsockname says
	remote netip.AddrPort // what getpeername says
	errno  syscall.Errno  // of a failed connect, told once
	since  time.Time      // of the phase
	record *estate.Record // of the leg; nil for none
}

func newSocket(cookie uint64, family int, remote netip.AddrPort) *socket {
	return &socket{cookie: cookie, family: family, remote: remote, settled: make(chan struct{})}
}

// settle is the one transition out of connecting; errno 0 means connected.
func (s *socket) settle(local, remote netip.AddrPort, errno syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseConnecting {
		return
	}
	s.phase, s.errno, s.since = phaseConnected, errno, time.Now()
	if errno != 0 {
		s.phase = phaseFailed
	}
	if local.IsValid() {
		s.local = local
	}
	if remote.IsValid() {
		s.remote = remote
	}
	close(s.settled)
}

// look returns the socket's phase and the addresses shown to the program.
func (s *socket) look() (p phase, local, remote netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase, s.local, s.remote
}

// takeErrno returns the pending error and forgets it, as SO_ERROR does.
func (s *socket) takeErrno() syscall.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	errno := s.errno
	s.errno = 0
	return errno
}

// sockets is the registry of all that is not ordinary, by cookie.
type sockets struct {
	mu        sync.RWMutex
	byCookie  map[uint64]*socket
	listeners map[uint64]*listener
	bound     map[uint64]time.Time // sockets whose port the program chose, since when
}

func newSockets() *sockets {
	return &sockets{byCookie: map[uint64]*socket{}, listeners: map[uint64]*listener{}, bound: map[uint64]time.Time{}}
}

// empty reports that no call can concern us, without looking at the call.
func (t *sockets) empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byCookie) == 0 && len(t.listeners) == 0
}

func (t *sockets) get(cookie uint64) *socket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byCookie[cookie]
}

func (t *sockets) put(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byCookie[s.cookie] = s
}

// forget removes s, unless the cookie already stands for a newer connection.
func (t *sockets) forget(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byCookie[s.cookie] == s {
		delete(t.byCookie, s.cookie)
	}
}

// forgetOld drops what was noted before a time and nobody came back to:
// sockets whose connect failed, and chosen ports.
func (t *sockets) forgetOld(before time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c, s := range t.byCookie {
		s.mu.Lock()
		old := s.phase == phaseFailed && s.since.Before(before)
		s.mu.Unlock()
		if old {
			delete(t.byCookie, c)
		}
	}
	for c, since := range t.bound {
		if since.Before(before) {
			delete(t.bound, c)
		}
	}
}

// noteBound notes that the program has chosen a socket's port.
func (t *sockets) noteBound(cookie uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound[cookie] = time.Now()
}

// wasBound reports whether the program has chosen a socket's port.
func (t *sockets) wasBound(cookie uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.bound[cookie]
	return ok
}

func (t *sockets) listener(cookie uint64) *listener {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.listeners[cookie]
}

// putListener files l under the cookies of both of its sockets.
func (t *sockets) putListener(l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.bound, l.publicCookie)
	t.listeners[l.publicCookie] = l
	t.listeners[l.privateCookie] = l
}

func (t *sockets) forgetListener(l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range []uint64{l.publicCookie, l.privateCookie} {
		if t.listeners[c] == l {
			delete(t.listeners, c)
		}
	}
}

// allListeners returns the listeners now known.
func (t *sockets) allListeners() []*listener {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]*listener, 0, len(t.listeners)/2)
	for c, l := range t.listeners {
		if c == l.privateCookie {
			all = append(all, l)
		}
	}
	return all
}
