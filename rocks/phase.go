package rocks

import (
	"errors"
	"fmt"
	"time"
)

// phase is the state of a rock's end.
//
//	             handshake            link lost
//	connecting ─────────► established ─────────► suspended
//	    │                   │     ▲                │   │
//	    │                   │     └────────────────┘   │
//	    │ refused           │           resumed        │
//	    ▼                   ▼                          ▼
//	  closed ◄──────────────┴──────────────────────────┘
//	          both ends closed, reset, refused for good,
//	          exported, or suspended for too long
//
// Closed is terminal. A program that closes its Conn does not close the rock yet: that
// happens when the peer has everything. Only Conn.moveLocked changes the phase.
type phase uint8

const (
	connecting  phase = iota // entered at birth; left when the handshake ends
	established              // entered with a link; left when it is lost or the rock ends
	suspended                // entered when the link is lost; a redialer runs
	closed                   // the Endpoint does not know the rock any more
)

// moves holds the legal moves, by from and to.
var moves = [...][4]bool{
	connecting:  {established: true, closed: true},
	established: {suspended: true, closed: true},
	suspended:   {established: true, closed: true},
	closed:      {},
}

func (p phase) String() string {
	switch p {
	case connecting:
		return "connecting"
	case established:
		return "established"
	case suspended:
		return "suspended"
	case closed:
		return "closed"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// moveLocked is the one place where the phase changes. It leaves the old phase, enters the
// new one and wakes everybody who waits. cause is what led here, nil if all is well. It
// reports whether the move is legal; if not, nothing happens.
func (c *Conn) moveLocked(to phase, cause error) bool {
	from := c.phase
	if !moves[from][to] {
		return false
	}
	c.phase, c.since = to, time.Now()
	if cause != nil {
		c.lastErr = cause
	}
	if from == suspended {
		c.redial.stopLocked()
		if c.limit != nil {
			c.limit.Stop()
		}
	}
	switch to {
	case established:
		c.logger.Info("rock established", "generation", c.generation, "remote", c.link.remote())
	case suspended:
		c.dropLinkLocked()
		c.suspendedAt = c.since
		c.keepLocked()
		c.logger.Info("rock suspended", "generation", c.generation, "cause", cause)
		c.searchLocked()
	case closed:
		c.dropLinkLocked()
		c.e.forget(c)
		close(c.gone)
		c.deliveredLocked()
		c.logger.Info("rock closed", "cause", cause)
	}
	if from == connecting {
		close(c.born)
	}
	c.noteLocked()
	c.wakeLocked()
	return true
}

// searchLocked starts the redialer and the time limit of a suspended rock.
func (c *Conn) searchLocked() {
	if c.limitLocked(); c.phase == suspended {
		c.redial.startLocked(c, 0)
		c.e.meetSoon()
	}
}

// limitLocked closes the rock if it was suspended for too long, and sees to it that it is
// called again when that will be.
func (c *Conn) limitLocked() {
	left := c.timeout - time.Since(c.suspendedAt)
	if left <= 0 {
		c.failLocked(ErrTimeLimit)
		return
	}
	c.limit = time.AfterFunc(left, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.phase == suspended {
			c.limitLocked()
		}
	})
}

// failLocked ends the rock at once, here only. What was received and not read can still
// be read; then err is what the program gets.
func (c *Conn) failLocked(err error) {
	if c.phase == closed {
		return
	}
	if c.err == nil {
		c.err = err
	}
	if errors.Is(err, ErrStaleEpoch) || errors.Is(err, ErrRolledBack) {
		c.orphan = err
	}
	c.log.Clear()
	c.moveLocked(closed, err)
}
