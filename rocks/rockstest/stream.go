package rockstest

import (
	"syscall"
	"time"
)

// Retransmission as Linux has it: TCP_RTO_MIN, TCP_RTO_MAX and tcp_retries2.
const (
	firstRetry  = 200 * time.Millisecond
	longestWait = 2 * time.Minute
	maxRetries  = 15
)

// segmentSize is the largest piece in which bytes travel.
const segmentSize = 16 << 10

// A stream is one direction of a connection: what was written and has not
// arrived yet. It belongs to no goroutine; advance moves it on whenever
// something happened that may let it. All of it is guarded by net.mu.
type stream struct {
	net      *Net
	wire     *Wire
	from, to *end

	queue  []segment
	queued int       // bytes in queue
	busy   time.Time // until when the bandwidth is taken
	last   time.Time // arrival of the last segment in queue
	timer  *time.Timer
	tries  int       // failures of the first segment in queue
	retry  time.Time // when to try it again
	dead   bool      // nothing arrives any more

	passed   int64 // bytes that arrived
	captured []byte
	cutAt    int64
	cut      Cut
	hasCut   bool
}

// A segment is one of: data, a FIN, a RST, or the last step of the handshake.
type segment struct {
	data []byte
	fin  bool
	rst  bool
	open func()
	at   time.Time // when it arrives
}

// push sends one segment.
func (s *stream) push(seg segment) {
	if s.dead {
		return
	}
	now := time.Now()
	r := s.route()
	leave := now
	if r.bandwidth > 0 {
		if s.busy.After(now) {
			leave = s.busy
		}
		leave = leave.Add(time.Duration(len(seg.data)) * time.Second / time.Duration(r.bandwidth))
		s.busy = leave
	}
	seg.at = leave.Add(s.net.delayLocked(r))
	if seg.at.Before(s.last) {
		seg.at = s.last
	}
	s.last = seg.at
	s.queue = append(s.queue, seg)
	s.queued += len(seg.data)
	s.advance()
}

// reset throws away what has not arrived and sends a RST instead.
func (s *stream) reset() {
	s.clear()
	s.push(segment{rst: true})
}

func (s *stream) clear() {
	s.queue, s.queued, s.tries = nil, 0, 0
	s.retry, s.last = time.Time{}, time.Time{}
}

func (s *stream) route() route {
	return s.net.routeLocked(s.from.host, s.from.local.Addr(), s.to.host, s.to.local.Addr())
}

// advance lets arrive what can, and sets the timer for the rest.
func (s *stream) advance() {
	for !s.dead {
		if s.hasCut && s.wire.open && s.passed >= s.cutAt {
			s.hasCut = false
			s.wire.breakLocked(s.cut)
			return
		}
		if len(s.queue) == 0 {
			return
		}
		head := &s.queue[0]
		due := head.at
		if s.retry.After(due) {
			due = s.retry
		}
		if wait := time.Until(due); wait > 0 {
			s.wake(wait)
			return
		}
		switch s.fate() {
		case fateLost:
			if !s.lost() {
				return
			}
		case fateReset:
			s.from.failLocked(syscall.ECONNRESET)
			return
		default:
			s.tries = 0
			if !s.arrive(head) {
				return
			}
		}
	}
}

// wake calls advance again after a time.
func (s *stream) wake(wait time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(wait, func() {
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		s.advance()
	})
}

// lost sets when to send the first segment again; it returns false if that is
// the end of the connection.
func (s *stream) lost() bool {
	if s.queue[0].rst {
		s.clear() // a RST is not sent again
		return false
	}
	s.tries++
	if s.tries > maxRetries {
		s.from.failLocked(syscall.ETIMEDOUT)
		return false
	}
	s.retry = time.Now().Add(min(firstRetry<<(s.tries-1), longestWait))
	return true
}

type fate int

const (
	fateArrive fate = iota
	fateLost
	fateReset // somebody who does not know the connection answers
)

// fate decides what becomes of a segment that is due now.
func (s *stream) fate() fate {
	w := s.wire
	switch {
	case w.forgotten && w.forgetful && s.from == w.client:
		return fateReset
	case w.forgotten, s.route().lost, !s.from.host.upLocked(s.from.local.Addr()):
		return fateLost
	case s.to.host.upLocked(s.to.local.Addr()):
		return fateArrive
	}
	if other := s.net.ownerLocked(s.to.local.Addr()); other != nil && other != s.to.host && other.upLocked(s.to.local.Addr()) {
		return fateReset // the address has moved
	}
	return fateLost
}

// arrive hands the first segment to the receiver. It returns false if more
// cannot arrive now.
func (s *stream) arrive(head *segment) bool {
	to := s.to
	switch {
	case head.rst:
		s.clear()
		to.failLocked(syscall.ECONNRESET)
		return false
	case head.open != nil:
		s.wire.open = true
		head.open()
		s.to.out.advance() // it may have a cut at 0
	case head.fin:
		to.eof = true
		to.readable.Broadcast()
	case to.closed || to.err != nil:
		to.out.reset() // nobody will read it
	default:
		n := s.room(len(head.data))
		if n == 0 && len(head.data) > 0 {
			return false // until somebody reads
		}
		to.receive(head.data[:n])
		s.took(head.data[:n])
		head.data = head.data[n:]
		if len(head.data) > 0 {
			return true
		}
	}
	if len(s.queue) > 0 { // advance of the other direction may have broken both
		s.queued -= len(head.data)
		s.queue = s.queue[1:]
	}
	return true
}

// room returns how much of n bytes may arrive now.
func (s *stream) room(n int) int {
	n = min(n, s.to.roomLocked())
	if s.hasCut {
		n = min(n, int(s.cutAt-s.passed))
	}
	return n
}

// took accounts for bytes that have arrived.
func (s *stream) took(b []byte) {
	s.passed += int64(len(b))
	s.queued -= len(b)
	if s.net.cfg.Capture {
		s.captured = append(s.captured, b...)
	}
	s.from.writable.Broadcast()
}
