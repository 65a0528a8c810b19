package rocks

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Why a link ends.
var (
	errSilent   = errors.New("link is silent")
	errLinkEOF  = errors.New("link was closed by the other end or on the way")
	errReplaced = errors.New("link was replaced")
	errMoved    = errors.New("peer has moved")
	errMovedOn  = errors.New("rock has moved from here")
	errLocal    = errors.New("local address or interface of the link is gone")
)

// linger is how long a link that has ended orderly waits for the other end to close too, so that
// what was written last is not lost by closing with unread input.
const linger = 2 * time.Second

// link is the TCP connection that carries a rock at this moment. It has two goroutines, for reading
// and for writing, and two timers.
type link struct {
	c      *Conn
	nc     net.Conn
	sink   sink // nc too; nil if it can not be written to without waiting
	opened time.Time
	after  chan struct{} // closed when the link before is out of the way
	wake   chan struct{} // something may be to be sent
	over   chan struct{} // closed when the link is given up
	ended  chan struct{} // closed when both goroutines are gone
	reader chan struct{} // closed when the reader is gone
	said   *exchange     // see offer
	writer chan struct{} // closed when the writer is gone

	heard atomic.Int64 // when something was last received, as time since Endpoint.start
	path  *path

	// Guarded by Conn.mu.
	stopped   bool // over is closed
	ending    bool // the rock has ended; over when the other end closes too
	confirmed bool // something was received: the peer has adopted it
	useful    bool // it has carried payload
	next      uint64
	preface   []byte // end of the handshake, to be sent first
	ackTold   uint64 // what the last ack said
	ackNow    bool   // an ack is due
	ackArmed  bool   // ackTimer runs
	ackTimer  *time.Timer
	liveTimer *time.Timer
	lookAt    time.Time // when liveTimer is due
	pingNow   bool
	pinged    time.Time     // when the last ping was queued
	trusted   time.Duration // until when it was believed to live, as heard; of the last look when it was idle
	mustHear  time.Time     // if not zero: give up if nothing was heard between mustFrom and here
	mustFrom  time.Time
	asked     uint64   // the full flight log was asked about at this offset
	pongs     []uint64 // tokens to be answered
	rtt       time.Duration
	finOut    bool
	resetOut  bool

	goodbyeOut, goodbyeIn bool // the rock has ended here, at the peer
	tellAddrs             bool // own addresses have changed

	// out belongs to the writer unless that rests, and then to someone who pushes.
	out     writeBuffers
	resting bool // the writer waits to be woken, and had nothing to send
	pushing bool // somebody else sends just now
	missed  bool // the writer was woken while somebody did
}

// newLinkLocked makes the link of a rock; start starts it.
func newLinkLocked(c *Conn, nc net.Conn, preface []byte) *link {
	l := &link{
		c: c, nc: nc, sink: sinkOf(nc), opened: time.Now(), after: c.ended, preface: preface,
		wake: make(chan struct{}, 1), over: make(chan struct{}), ended: make(chan struct{}),
		reader: make(chan struct{}), writer: make(chan struct{}),
		next: c.log.Start(), finOut: c.finAcked, ackNow: true,
	}
	l.takePathLocked()
	c.ended = l.ended
	return l
}

// startLocked starts the goroutines and timers. It reports whether the Endpoint still lets it.
func (l *link) startLocked() bool {
	if !l.c.e.hold() {
		l.c.e.paths.leave(l.path)
		return false
	}
	l.ackTimer = time.AfterFunc(time.Hour, l.ackDue)
	l.ackTimer.Stop()
	h := l.c.e.pingAfter()
	l.lookAt = time.Now().Add(h)
	l.liveTimer = time.AfterFunc(h, l.live)
	go l.read()
	go l.write()
	return true
}

// kick lets the writer look for something to send.
func (l *link) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stopLocked gives the link up. Its goroutines end soon.
func (l *link) stopLocked() {
	if l.stopped {
		return
	}
	l.stopped = true
	l.ackTimer.Stop()
	l.liveTimer.Stop()
	close(l.over)
	go l.shut(!l.ending)
}

// shut closes the connection, without a lock, and waits for the goroutines. What a link that was given up still
// has to send comes again on the next one, so abort tells the kernel not to keep it.
func (l *link) shut(abort bool) {
	if t, ok := l.nc.(interface{ SetLinger(sec int) error }); ok && abort {
		_ = t.SetLinger(0)
	}
	l.nc.Close()
	<-l.reader
	<-l.writer
	close(l.ended)
	l.c.e.paths.leave(l.path)
	l.c.e.release()
}

// lost takes in that the link failed.
func (l *link) lost(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errLinkEOF
	}
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.lostLocked(l, err)
}

// lostLocked suspends the rock if l is its link, and stops l.
func (c *Conn) lostLocked(l *link, err error) {
	if c.link == l {
		l.path.lost.Store(int64(time.Since(c.e.start)))
		switch {
		case c.wasReset:
			// The peer was about to be told that its reset has arrived.
			c.moveLocked(closed, c.err)
			c.mournLocked()
		case l.goodbyeOut:
			c.moveLocked(closed, nil)
			c.mournLocked()
		default:
			c.flaps++
			if l.useful || time.Since(l.opened) > youngLink {
				c.flaps = 0
			}
			c.moveLocked(suspended, err)
		}
	}
	l.stopLocked()
}

// dropLinkLocked leaves the Conn without a link. One that ends orderly is let do so.
func (c *Conn) dropLinkLocked() {
	l := c.link
	c.link = nil
	if l != nil && !l.ending {
		l.stopLocked()
	}
}

// endLocked ends the rock in order: the link closes once what was written has arrived.
func (c *Conn) endLocked(l *link) {
	l.ending = true
	c.moveLocked(closed, nil)
	l.liveTimer.Stop()
	l.ackTimer.Stop()
	l.kick()
}

// remote returns the address of the other end of the connection.
func (l *link) remote() netip.AddrPort { return addrPort(l.nc.RemoteAddr()) }
