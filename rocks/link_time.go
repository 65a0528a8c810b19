package rocks

import "time"

// Timing of a link. Everything that waits for time is decided in live and ackDue.
const (
	ackDelay     = 25 * time.Millisecond  // an ack that is not urgent waits so long for company
	checkSlack   = 300 * time.Millisecond // a checked link must answer in this time and some round trips
	checkRTTs    = 8
	rtoUnknown   = 200 * time.Millisecond // assumed round trip if none was measured
	youngLink    = time.Second            // a link that may not have been adopted by the peer yet
	maxPongQueue = 8                      // pings that are answered one by one; more are answered together
)

// deadAfter is how long a link may be silent: a bit less than Misses heartbeats, so that the rock
// is suspended within that time.
func (e *Endpoint) deadAfter() time.Duration {
	h := e.cfg.Heartbeat
	return time.Duration(e.cfg.Misses)*h - h/4
}

// pingAfter returns how long a link may be silent before it is asked for a sign of life: a heartbeat, and in any
// case early enough for the answer.
func (e *Endpoint) pingAfter() time.Duration { return min(e.cfg.Heartbeat, e.deadAfter()/2) }

// beats is how many moments of a heartbeat there are at which links are asked for signs of life: all links of an Endpoint at the same
// ones, so that a thousand silent ones wake this process, and that of the peer, a few times in a heartbeat and not a thousand
// times.
const beats = 5

// toBeat returns the first such moment that is not before t.
func (e *Endpoint) toBeat(t time.Time) time.Time {
	step := e.cfg.Heartbeat / beats
	past := t.Sub(e.start) % step
	if past <= 0 {
		return t
	}
	return t.Add(step - past)
}

// sinceHeard returns how long nothing was received on the link itself.
func (l *link) sinceHeard() time.Duration {
	return time.Since(l.c.e.start) - time.Duration(l.heard.Load())
}

// live runs when it is time to look at the link: it asks for a sign of life after each silent heartbeat
// and gives up when there was none for too long.
func (l *link) live() {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		return
	}
	silent, now := l.silenceLocked(), time.Now()
	if h := c.e.cfg.Heartbeat; now.Sub(l.lookAt) > h/2 && silent > h {
		// It was us who slept, frozen or starved. What came meanwhile may not be read yet.
		silent = h
		l.heard.Store(int64(time.Since(c.e.start) - h))
	}
	if silent >= c.e.deadAfter() {
		c.lostLocked(l, errSilent)
		return
	}
	if !l.mustHear.IsZero() {
		switch {
		case now.Add(-l.sinceHeard()).After(l.mustFrom):
			l.mustHear = time.Time{}
		case !now.Before(l.mustHear):
			c.lostLocked(l, errSilent)
			return
		}
	}
	h := c.e.pingAfter()
	if l.sinceHeard() >= h {
		c.log.Shrink()
		c.in.Shrink()
	}
	if silent >= h && now.Sub(l.pinged) >= h && l.asksLocked(silent) {
		l.pinged, l.pingNow = now, true
		l.kick()
	}
	l.lookLocked(now, silent)
}

// lookLocked arranges for live to run when there will be something to decide.
func (l *link) lookLocked(now time.Time, silent time.Duration) {
	next := l.nextLook(now, silent)
	l.lookAt = now.Add(next)
	l.liveTimer.Reset(next)
}

// nextLook returns when live has something to decide next.
func (l *link) nextLook(now time.Time, silent time.Duration) time.Duration {
	h := l.c.e.pingAfter()
	next := h - silent // for the first ping
	if silent >= h {
		next = max(h-now.Sub(l.pinged), time.Millisecond) // or another link has asked
	}
	next = l.c.e.toBeat(now.Add(next)).Sub(now)
	next = min(next, l.c.e.deadAfter()-silent)
	if !l.mustHear.IsZero() {
		next = min(next, l.mustHear.Sub(now))
	}
	return max(next, time.Millisecond)
}

// checkLocked asks for a sign of life at once and gives the link up if none comes soon.
func (l *link) checkLocked() {
	rtt := l.rtt
	if rtt == 0 {
		rtt = rtoUnknown
	}
	now := time.Now()
	wait := min(checkRTTs*rtt+checkSlack, l.c.e.cfg.Heartbeat*3/2)
	if l.mustHear.IsZero() {
		l.mustFrom, l.mustHear = now, now.Add(wait)
	}
	l.pinged, l.pingNow = now, true
	l.kick()
	l.lookLocked(now, l.silenceLocked())
}

// ackDue runs when an ack has waited long enough.
func (l *link) ackDue() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.ackArmed = false
	if l.c.link == l {
		l.ackNow = true
		l.kick()
	}
}
