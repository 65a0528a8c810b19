package rocks

import (
	"time"

	"rock/rocks/wire"
)

// controlLocked adds the frames that are due and carry no payload.
func (l *link) controlLocked() {
	c, o := l.c, &l.out
	o.flat = append(o.flat, l.preface...)
	l.preface = nil
	if c.wasReset {
		o.flat = wire.AppendFrame(o.flat, wire.Reset{Code: wire.ResetDone})
		o.final = true
		return
	}
	if c.reset != wire.ResetDone {
		if !l.resetOut {
			o.flat = wire.AppendFrame(o.flat, wire.Reset{Code: c.reset})
			l.resetOut = true
		}
	} else {
		l.askLocked()
	}
	for _, token := range l.pongs {
		o.flat = wire.AppendFrame(o.flat, wire.Pong{Token: token})
	}
	l.pongs = l.pongs[:0]
	if l.pingNow {
		o.flat = wire.AppendFrame(o.flat, wire.Ping{Token: uint64(time.Since(c.e.start))})
		l.pingNow = false
	}
	if l.tellAddrs {
		o.flat = wire.AppendFrame(o.flat, wire.AddressUpdate{Addresses: c.e.addresses()})
		l.tellAddrs = false
	}
	sending := len(o.flat) > 0 || l.pendingLocked() > 0
	if l.ackNow || sending && c.receivedLocked() != l.ackTold {
		l.ackLocked()
	}
}

// ackLocked adds an ack.
func (l *link) ackLocked() {
	c := l.c
	c.widenReceiveLocked(l)
	c.granted = c.grantLocked()
	l.ackTold = c.receivedLocked()
	l.ackNow = false
	if l.ackArmed {
		l.ackTimer.Stop()
		l.ackArmed = false
	}
	l.out.flat = wire.AppendFrame(l.out.flat, wire.Ack{Received: l.ackTold, Limit: c.granted})
}

// askLocked sees to a ping, which is answered with an ack, if the program waits for room in the
// flight log and everything in it has been sent. The peer can not know that it is full.
func (l *link) askLocked() {
	c := l.c
	if c.log.Free() == 0 && l.next == c.log.End() && l.asked != l.next {
		l.asked, l.pingNow = l.next, true
	}
}

// pendingLocked returns how many bytes of payload can be sent now.
func (l *link) pendingLocked() int {
	c := l.c
	end := min(c.log.End(), c.credit)
	if c.reset != wire.ResetDone || l.next >= end {
		return 0
	}
	return int(end - l.next)
}

// dataLocked adds payload and the end of the stream. Little payload is copied, much is pinned
// in the flight log until it is written.
func (l *link) dataLocked() {
	c, o := l.c, &l.out
	l.next = max(l.next, c.log.Start())
	n := min(l.pendingLocked(), maxBatch)
	if n > 0 && n <= copyBelow {
		a, b := c.log.Slices(l.next, n)
		o.flat = wire.AppendDataHeader(o.flat, l.next, n)
		o.flat = append(append(o.flat, a...), b...)
		l.next += uint64(n)
	} else if n > 0 {
		l.vectorLocked(n)
	}
	c.sentMax = max(c.sentMax, l.next)
	if c.finSent && !l.finOut && l.next == c.log.End() && o.n == 0 {
		o.flat = wire.AppendFrame(o.flat, wire.Fin{Offset: l.next})
		l.finOut = true
	}
}

// vectorLocked adds n bytes of payload in place.
func (l *link) vectorLocked(n int) {
	c, o := l.c, &l.out
	if len(o.flat) > 0 {
		o.parts[0], o.n = o.flat, 1
	}
	for i := 0; n > 0; i++ {
		a, b := c.log.Slices(l.next, min(n, wire.MaxData))
		size := len(a) + len(b)
		head := wire.AppendDataHeader(o.heads[i][:0], l.next, size)
		for _, part := range [...][]byte{head, a, b} {
			if len(part) > 0 {
				o.parts[o.n] = part
				o.n++
			}
		}
		l.next += uint64(size)
		n -= size
	}
	c.log.Pin()
}
