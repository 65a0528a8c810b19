package rocks

import (
	"net"

	"rock/rocks/wire"
)

// Close closes the rock for the program and returns at once. What was written is still delivered,
// with the end of the stream after it, in the background and across failures, for at most
// Config.Timeout; see Endpoint.Flush. If there is input that was not read, or more
// comes, the rock is reset instead, as TCP does.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.opError("close", net.ErrClosed)
	}
	c.doneLocked(net.ErrClosed)
	if c.phase == closed || c.err != nil {
		return nil
	}
	if c.phase == connecting {
		c.failLocked(net.ErrClosed)
		return nil
	}
	if c.in.Len() > 0 {
		c.resetLocked(wire.ResetUnread)
	}
	c.finSent = true
	c.noteLocked()
	c.discardLocked()
	c.kickLocked()
	return nil
}

// doneLocked ends the program's part in the Conn: err is what it gets from now on.
func (c *Conn) doneLocked(err error) {
	c.done, c.doneErr = true, err
	c.noteLocked()
	c.stopDeadlinesLocked()
	c.wakeLocked()
}

// CloseWrite says that nothing more will be written; the peer reads io.EOF after all that was.
// Reading goes on.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.opError("close", c.doneErr)
	}
	if c.err != nil {
		return c.opError("close", c.err)
	}
	c.finSent = true
	c.noteLocked()
	c.kickLocked()
	c.wakeLocked()
	return nil
}

// CloseRead says that no input is wanted any more: what is there and what comes is discarded
// and Read returns io.EOF. The peer is not told. Writing goes on.
func (c *Conn) CloseRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.opError("close", c.doneErr)
	}
	c.readClosed = true
	c.noteLocked()
	c.discardLocked()
	c.wakeLocked()
	return nil
}

// discardLocked drops all input.
func (c *Conn) discardLocked() { c.consumedLocked(c.in.End()) }

// Reset ends the rock at once in both directions, dropping what is under way, and closes the
// Conn. The peer's program gets ECONNRESET, even if there is no link at the moment.
func (c *Conn) Reset() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.opError("close", net.ErrClosed)
	}
	c.doneLocked(net.ErrClosed)
	if c.phase == connecting {
		c.failLocked(net.ErrClosed)
		return nil
	}
	if c.phase != closed && c.err == nil {
		c.resetLocked(wire.ResetProgram)
	}
	return nil
}

// resetLocked drops everything and sees to it that the peer is told. The rock closes when the peer has
// answered.
func (c *Conn) resetLocked(code wire.ResetCode) {
	if c.reset != wire.ResetDone || c.wasReset {
		return
	}
	c.reset = code
	if c.err == nil {
		c.err = &ResetError{}
	}
	c.noteLocked()
	c.log.Clear()
	c.discardLocked()
	c.wakeLocked()
	c.kickLocked()
}

// wasResetLocked takes in that the peer has reset the rock. The writer of the link closes
// it after the answer.
func (c *Conn) wasResetLocked() {
	if c.err == nil {
		c.err = &ResetError{}
	}
	c.wasReset = true
	c.noteLocked()
	c.log.Clear()
	c.wakeLocked()
}

// finishedLocked reports whether both streams have ended, everything is acknowledged, and l has
// told the peer so. It says goodbye then, and when the peer has done so too the rock closes. If the link is lost
// before, nobody can tell whether the peer got the last ack; see mournLocked.
func (c *Conn) finishedLocked(l *link) bool {
	return c.finSent && c.finAcked && c.finReceived && (l.goodbyeIn || l.ackTold == c.receivedLocked())
}

// goodbyeLocked takes in that the rock has ended at the peer.
func (l *link) goodbyeLocked() error {
	c := l.c
	if c.reset != wire.ResetDone {
		c.endLocked(l)
		return nil
	}
	l.goodbyeIn = true
	if !c.finishedLocked(l) {
		return violation(wire.FrameReset, "the rock has not ended here")
	}
	if l.goodbyeOut {
		c.endLocked(l)
	}
	l.kick()
	return nil
}

// mournLocked is for a rock that has just closed while the peer may not know that it has ended: for some
// time it is looked for, to be told so, as it would be when it came to ask.
func (c *Conn) mournLocked() {
	c.mourning = true
	c.redial.startLocked(c, graveTime)
}
