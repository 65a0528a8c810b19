package rocks

import (
	"net"
	"os"
	"sync"
	"time"
)

// deadline is one of the two deadlines of a Conn, guarded by its mutex. Expiry is a flag that a
// timer sets, not a comparison with the clock, so that it can not be missed.
type deadline struct {
	timer   *time.Timer
	serial  int // tells a timer that was replaced while it fired
	expired bool
}

// setLocked replaces the deadline; zero t means none. wake is called, with mu held, when it expires.
func (d *deadline) setLocked(t time.Time, mu sync.Locker, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.serial++
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expired = true
		return
	}
	serial := d.serial
	d.timer = time.AfterFunc(left, func() {
		mu.Lock()
		defer mu.Unlock()
		if d.serial == serial {
			d.expired = true
			wake()
		}
	})
}

// err returns os.ErrDeadlineExceeded once the deadline is over.
func (d *deadline) err() error {
	if d.expired {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// SetDeadline sets both deadlines. See net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDue, &c.writeDue) }

// SetReadDeadline sets the deadline of Read and WriteTo, those that block now included. See
// net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDue) }

// SetWriteDeadline sets the deadline of Write and ReadFrom, those that block now included. See
// net.Conn. What was written before the deadline is sent.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeDue) }

func (c *Conn) setDeadlines(t time.Time, ds ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range ds {
		d.setLocked(t, &c.mu, c.wakeLocked)
	}
	c.wakeLocked()
	return nil
}

// stopDeadlinesLocked frees the timers.
func (c *Conn) stopDeadlinesLocked() {
	c.readDue.setLocked(time.Time{}, &c.mu, nil)
	c.writeDue.setLocked(time.Time{}, &c.mu, nil)
}
