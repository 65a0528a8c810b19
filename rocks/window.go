package rocks

import "time"

// How much may be under way begins small and grows where a fast network is far away: to fill it takes its bandwidth times the
// round trip. Elsewhere it would only be kept in memory, and carried along in checkpoints.
const (
	firstFlight  = 16 << 20 // bytes of the flight log at first, if Config allows so many
	firstReceive = 2 << 20  // and of the receive buffer
)

// All rocks of an Endpoint share some memory, so that many of them get less each than few would.
const (
	sharedReceive = 128 << 20 // for receive buffers as they are at first
	leastReceive  = 64 << 10
	sharedUnsent  = 32 << 20 // for what links have not been given yet
	leastUnsent   = 32 << 10
)

// firstReceive is how large the receive buffer of one more rock is at first.
func (e *Endpoint) firstReceive() int {
	share := sharedReceive / int(e.count.Load()+1)
	return min(max(share, leastReceive), firstReceive, e.cfg.ReceiveLimit)
}

// unsentMost is from how many bytes on that the link has not been given yet a program waits, although there is room in the
// flight log: enough for the link never to want, and no more that would have to be kept and carried along. While there is no link
// the log may fill up.
func (e *Endpoint) unsentMost() uint64 {
	share := sharedUnsent / max(1, int(e.count.Load()))
	return uint64(min(max(share, leastUnsent), maxBatch))
}

// window finds out whether the peer sends as much as it may. It does if what it was allowed at one moment has come about a round
// trip later, as with TCP's receive buffer (Fisk and Feng, Dynamic right-sizing in TCP, 2001).
type window struct {
	mark  uint64    // what the peer was allowed
	since time.Time // and when
}

// widenReceiveLocked lets the peer send further ahead if that alone holds it up. It is called when the peer is about to be
// told how far it may send.
func (c *Conn) widenReceiveLocked(l *link) {
	w := &c.window
	if w.mark > c.in.End() {
		return
	}
	now := time.Now()
	if limit := c.in.Limit(); limit < c.e.cfg.ReceiveLimit && !w.since.IsZero() && c.in.Len() < limit/2 {
		if rtt := l.roundTripLocked(); now.Sub(w.since) <= 2*rtt {
			c.in.Widen(min(2*limit, c.e.cfg.ReceiveLimit))
		}
	}
	w.mark, w.since = c.grantLocked(), now
}

// roundTripLocked returns the round-trip time of the link, 0 if it is not known.
func (l *link) roundTripLocked() time.Duration {
	if rtt := l.c.e.cfg.Network.RTT(l.nc); rtt > 0 {
		return rtt
	}
	return l.rtt
}

// widenFlightLocked makes room in a flight log that is full although the link has taken all of it. It reports whether there is some now.
func (c *Conn) widenFlightLocked() bool {
	l := c.link
	limit := c.log.Limit()
	if l == nil || limit >= c.e.cfg.FlightLimit || c.log.Free() > 0 || l.next != c.log.End() {
		return false
	}
	c.log.Widen(min(2*limit, c.e.cfg.FlightLimit))
	return true
}
