package rocks

import "rock/rocks/wire"

// Little that comes is passed on by the goroutine that has it: what the program writes to the link (pushLocked), what the link
// brings to the program (deliverLocked). To wake another goroutine for it would cost more than to do it.

// pushLocked has sent what was just added to the flight log: at once if it is little and the link's writer rests, else by that. The
// caller has its turn to write; the lock is given up meanwhile.
func (c *Conn) pushLocked() {
	l := c.link
	if l == nil {
		return
	}
	if n := l.pendingLocked(); !l.resting || l.sink == nil || n == 0 || n > copyBelow || c.finSent || c.wasReset || c.reset != wire.ResetDone {
		l.kick()
		return
	}
	l.resting, l.pushing = false, true
	l.fillLocked()
	all := l.out.flat // as so little payload is copied; it may turn out that the peer has it already
	c.mu.Unlock()
	n := l.sink.TryWrite(all)
	c.mu.Lock()
	l.pushing = false
	l.out.rest = all[n:]
	if len(l.out.rest) > 0 || l.missed || l.pendingLocked() > 0 {
		l.missed = false
		l.kick()
		return
	}
	l.resting = true
}

// deliverLocked gives the beginning of p, which follows all input, to the WriteTo that waits for input, as far as that takes it
// at once, and returns how much that was. The lock is given up meanwhile: the link may have been replaced, but what has been
// delivered counts, and is skipped when it comes again.
func (c *Conn) deliverLocked(p []byte) int {
	s := c.waiting
	if s == nil || c.reading || c.in.Len() > 0 || c.finReceived || c.readClosed || c.done || c.err != nil {
		return 0
	}
	c.reading = true
	c.mu.Unlock()
	n := s.TryWrite(p)
	c.mu.Lock()
	c.reading = false
	c.in.Skip(n)
	c.passed += int64(n)
	c.consumedLocked(c.in.End())
	if c.waiting != s {
		c.readers.Broadcast() // it wants to leave
	}
	return n
}
