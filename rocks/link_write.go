package rocks

import (
	"net"
	"time"

	"rock/rocks/wire"
)

const (
	maxFrames = 4                        // data frames written at once
	maxBatch  = maxFrames * wire.MaxData // bytes of payload written at once
	copyBelow = 16 << 10                 // payload up to so much is copied behind its header
)

// writeBuffers is what the writer builds a batch in.
type writeBuffers struct {
	flat  []byte // control frames, and data frames if they are small
	heads [maxFrames][wire.DataHeaderSize]byte
	parts [1 + 3*maxFrames][]byte
	n     int    // parts in use
	rest  []byte // of a batch that somebody else has begun
	final bool   // the rock ends with this batch
}

// write is the goroutine that sends. It sends all that is pending in one go.
func (l *link) write() {
	defer close(l.writer)
	<-l.after
	for {
		full, end := l.fillBatch()
		if end {
			l.closeWrite()
			return
		}
		if !full {
			select {
			case <-l.wake:
				continue
			case <-l.over:
				return
			}
		}
		v := net.Buffers(l.out.parts[:l.out.n])
		_, err := v.WriteTo(l.nc)
		if err != nil {
			l.unpin()
			l.lost(err)
			return
		}
		if l.sent() {
			l.closeWrite()
			return
		}
	}
}

// closeWrite ends the link in order. The reader waits for the other end to do the same.
func (l *link) closeWrite() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = l.nc.SetReadDeadline(time.Now().Add(linger))
}

// unpin lets go of the payload of the last batch.
func (l *link) unpin() {
	l.c.mu.Lock()
	l.c.log.Unpin()
	l.c.mu.Unlock()
}

// sent follows each batch. It reports whether it was the last one of the rock.
func (l *link) sent() bool {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.Unpin()
	c.writers.Broadcast()
	if c.link != l {
		return l.ending
	}
	if l.out.final {
		c.endLocked(l)
	}
	return l.out.final
}

// fillBatch puts into l.out what is to be sent now. It reports whether there is anything, or
// whether the rock has ended instead.
func (l *link) fillBatch() (full, end bool) {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.pushing {
		l.missed = true
		return false, false
	}
	l.resting = false
	if c.link != l {
		return false, l.ending
	}
	o := &l.out
	if len(o.rest) > 0 {
		o.parts[0], o.n, o.rest, o.final = o.rest, 1, nil, false
		return true, false
	}
	l.fillLocked()
	l.resting = o.n == 0
	return o.n > 0, false
}

// fillLocked is fillBatch for whoever l.out belongs to.
func (l *link) fillLocked() {
	c, o := l.c, &l.out
	o.flat, o.n, o.final = o.flat[:0], 0, false
	l.controlLocked()
	if c.reset == wire.ResetDone && !c.wasReset {
		l.dataLocked()
		if c.finishedLocked(l) && !l.goodbyeOut {
			l.goodbyeOut = true
			o.flat = wire.AppendFrame(o.flat, wire.Reset{Code: wire.ResetDone})
			o.final = l.goodbyeIn
		}
	}
	if len(o.flat) > 0 && o.n == 0 {
		o.parts[0], o.n = o.flat, 1
	}
}
