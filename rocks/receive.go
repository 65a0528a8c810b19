package rocks

import (
	"math"
	"time"

	"rock/rocks/wire"
)

// enterLocked is the first thing that is done for each frame.
func (l *link) enterLocked() error {
	if l.c.link != l {
		return errReplaced
	}
	l.confirmed, l.c.confirmed = true, true
	return nil
}

// receive takes in payload that starts at offset. What came before, on another link, is
// skipped.
func (l *link) receive(offset uint64, p []byte) error {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := l.enterLocked(); err != nil {
		return err
	}
	if err := c.mayReceiveLocked(offset, len(p)); err != nil {
		return err
	}
	if known := c.in.End() - offset; known > 0 {
		p = p[min(known, uint64(len(p))):]
	}
	if len(p) == 0 {
		return nil
	}
	p = p[c.deliverLocked(p):]
	if n := c.in.Append(p); n < len(p) {
		return violation(wire.FrameData, "no room for %d bytes", len(p)-n)
	}
	c.receivedMoreLocked(l)
	return nil
}

// mayReceiveLocked checks that n bytes from offset on follow what there is and were allowed.
func (c *Conn) mayReceiveLocked(offset uint64, n int) error {
	switch {
	case offset > math.MaxUint64-uint64(n):
		return violation(wire.FrameData, "offset %d is too large", offset)
	case offset > c.in.End():
		return violation(wire.FrameData, "gap: offset %d after %d", offset, c.in.End())
	case offset+uint64(n) > c.granted:
		return violation(wire.FrameData, "%d bytes at %d are beyond the limit %d", n, offset, c.granted)
	case c.finReceived && offset+uint64(n) > c.in.End():
		return violation(wire.FrameData, "%d bytes at %d are beyond the end %d", n, offset, c.in.End())
	}
	return nil
}

// receivedMoreLocked follows each addition to the input: it wakes the program and sees to the ack.
func (c *Conn) receivedMoreLocked(l *link) {
	l.useful = true
	switch {
	case c.done || c.err != nil:
		c.discardLocked()
		if c.done && c.err == nil {
			c.resetLocked(wire.ResetUnread) // nobody will ever read it, as with TCP
		}
	case c.readClosed:
		c.discardLocked()
	case c.in.Len() > 0:
		c.readers.Broadcast()
	}
	switch due := c.receivedLocked() - l.ackTold; {
	case l.ackNow:
	case due >= c.ackStep() || c.in.End() >= c.granted:
		l.ackNow = true
		l.kick()
	case !l.ackArmed:
		l.ackArmed = true
		l.ackTimer.Reset(ackDelay)
	}
}

// reserve returns room in the receive buffer for payload of a data frame whose next byte is at offset
// and of which left bytes are to come; nil if it must be received another way.
func (l *link) reserve(offset uint64, left int) ([]byte, error) {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := l.enterLocked(); err != nil {
		return nil, err
	}
	if err := c.mayReceiveLocked(offset, left); err != nil {
		return nil, err
	}
	if offset != c.in.End() || c.done || c.err != nil {
		return nil, nil
	}
	return c.in.Reserve(left), nil
}

// commit takes in n bytes that were read into what reserve returned.
func (l *link) commit(n int) error {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := l.enterLocked(); err != nil {
		return err
	}
	c.in.Commit(n)
	c.receivedMoreLocked(l)
	return nil
}

// handle takes in a frame that is not a data frame.
func (l *link) handle(frame wire.Frame) error {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := l.enterLocked(); err != nil {
		return err
	}
	switch f := frame.(type) {
	case wire.Ack:
		return l.ackedLocked(f)
	case wire.Ping:
		if len(l.pongs) < maxPongQueue {
			l.pongs = append(l.pongs, f.Token)
		}
		l.ackNow = l.ackNow || c.receivedLocked() != l.ackTold
		l.kick()
	case wire.Pong:
		if sent := time.Since(c.e.start) - time.Duration(f.Token); sent >= 0 && sent < time.Minute {
			l.rtt = sent
		}
	case wire.Fin:
		return l.finLocked(f)
	case wire.Reset:
		if f.Code == wire.ResetDone {
			return l.goodbyeLocked()
		}
		c.wasResetLocked()
		l.kick()
	case wire.Moved:
		c.setPeersLocked(f.Addresses)
		c.moveLocked(suspended, errMoved)
		return errMoved
	case wire.AddressUpdate:
		c.setPeersLocked(f.Addresses)
		c.keepLocked()
	}
	return nil
}

// ackedLocked takes in an ack.
func (l *link) ackedLocked(f wire.Ack) error {
	c := l.c
	if c.reset != wire.ResetDone {
		return nil // the flight log is empty already
	}
	if f.Received > c.sentMax+one(l.finOut) {
		return violation(wire.FrameAck, "%d was not sent yet, only %d", f.Received, c.sentMax)
	}
	l.useful = l.useful || f.Received > c.log.Start()
	c.ackedLocked(f.Received)
	if f.Limit > c.credit {
		c.credit = f.Limit
		if l.next < c.log.End() {
			l.kick()
		}
	}
	return nil
}

// ackedLocked takes note that the peer has everything before received.
func (c *Conn) ackedLocked(received uint64) {
	if received > c.log.End() {
		c.finAcked = c.finSent
		received = c.log.End()
	}
	if received > c.log.Start() {
		c.log.Trim(received)
		c.writers.Broadcast()
	}
	c.deliveredLocked()
	c.kickIfFinishedLocked()
}

// kickIfFinishedLocked lets the writer end the link if that was the last ack.
func (c *Conn) kickIfFinishedLocked() {
	if c.finAcked && c.finReceived {
		c.kickLocked()
	}
}

// finLocked takes in the end of the peer's stream.
func (l *link) finLocked(f wire.Fin) error {
	c := l.c
	if f.Offset != c.in.End() {
		return violation(wire.FrameFin, "end at %d, %d bytes have come", f.Offset, c.in.End())
	}
	c.finReceived = true
	c.noteLocked()
	l.ackNow = true
	c.readers.Broadcast()
	l.kick()
	return nil
}
