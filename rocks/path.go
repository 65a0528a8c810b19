package rocks

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A path is what links have in common that lead from one address here to the same peer: if one of them lives, so does the way. Links
// over which nothing is under way go by that, so that only one of them asks for a sign of life in each heartbeat, and not a
// thousand. Now and then each asks for itself all the same, since something on the way may have forgotten just this one.
type path struct {
	heard  atomic.Int64 // when something last came over one of the links, as time since Endpoint.start
	pinged atomic.Int64 // when one of them last asked
	lost   atomic.Int64 // when one of them was lost

	key   pathKey
	links int // guarded by paths.mu
}

// trustBeats is for how many heartbeats a link goes by the others of its path.
const trustBeats = 10

// pathKey is how paths are told apart. A peer is the process that has its end of a rock, which it names by where it can be
// dialled; what the address of the other end is then says nothing about the peer, but about the way.
type pathKey struct {
	local, remote netip.Addr
	peer          netip.AddrPort
}

// paths are those of an Endpoint.
type paths struct {
	mu  sync.Mutex
	set map[pathKey]*path
}

// enter returns the path of one more link.
func (s *paths) enter(k pathKey) *path {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[pathKey]*path{}
	}
	p := s.set[k]
	if p == nil {
		p = &path{key: k}
		s.set[k] = p
	}
	p.links++
	return p
}

// leave is for a link that was entered.
func (s *paths) leave(p *path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.links--; p.links == 0 {
		delete(s.set, p.key)
	}
}

// takePathLocked gives the link its path. The peer must be known by then.
func (l *link) takePathLocked() {
	c := l.c
	k := pathKey{local: addrPort(l.nc.LocalAddr()).Addr(), remote: c.observed}
	if len(c.peers) > 0 {
		k.peer = c.peers[0]
	} else {
		k.peer = addrPort(l.nc.RemoteAddr()) // of this connection alone, unless it is a server's
	}
	l.path = c.e.paths.enter(k)
	l.hear()
}

// hear notes a sign of life.
func (l *link) hear() {
	now := int64(time.Since(l.c.e.start))
	l.heard.Store(now)
	l.path.heard.Store(now)
}

// idleLocked says whether nothing is under way from here.
func (l *link) idleLocked() bool {
	c := l.c
	return l.confirmed && c.log.Len() == 0 && c.finSent == c.finAcked && l.mustHear.IsZero() && !c.done
}

// silenceLocked returns for how long there was no reason to believe that the link lives: since it was heard of itself, or, if it is
// idle and that was not too long ago, since anything was heard on its path. When another link of the path is lost that counts no more.
func (l *link) silenceLocked() time.Duration {
	now, own := time.Since(l.c.e.start), time.Duration(l.heard.Load())
	if l.idleLocked() {
		l.trusted = min(time.Duration(l.path.heard.Load()), own+trustBeats*l.c.e.pingAfter())
		if lost := time.Duration(l.path.lost.Load()); lost > own {
			l.trusted = min(l.trusted, lost)
		}
	}
	return now - max(l.trusted, own)
}

// asksLocked says whether it is this link that is to ask for a sign of life after so much silence, rather than another of its path:
// one asks at first, and if there is no answer all do.
func (l *link) asksLocked(silent time.Duration) bool {
	now, h := time.Since(l.c.e.start), l.c.e.pingAfter()
	if silent < h*3/2 && l.idleLocked() && now-time.Duration(l.path.pinged.Load()) < h {
		return false
	}
	l.path.pinged.Store(int64(now))
	return true
}
