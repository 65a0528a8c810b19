package rocks

import (
	"io"
	"syscall"
)

// Write puts p into the flight log, from where it is sent and, after a failure, sent again. It
// blocks while the log is full and returns when all of p is in it, the deadline is over or
// the rock has ended. Concurrent Writes do not mix.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		return 0, c.opError("write", err)
	}
	defer c.endWriteLocked()
	n := 0
	for n < len(p) {
		if err := c.awaitRoomLocked(); err != nil {
			return n, c.opError("write", err)
		}
		n += c.log.Append(p[n:])
		c.pushLocked()
	}
	return n, nil
}

// beginWriteLocked waits for the caller's turn to write.
func (c *Conn) beginWriteLocked() error {
	for {
		if err := c.writeErrLocked(); err != nil {
			return err
		}
		if !c.writing {
			c.writing = true
			return nil
		}
		c.writers.Wait()
	}
}

func (c *Conn) endWriteLocked() {
	c.writing = false
	c.writers.Broadcast()
}

// awaitRoomLocked waits until there is room in the flight log.
func (c *Conn) awaitRoomLocked() error {
	for {
		if err := c.writeErrLocked(); err != nil {
			return err
		}
		if c.log.Free() > 0 && (c.link == nil || c.log.End() < c.link.next+c.e.unsentMost()) {
			return nil
		}
		if c.widenFlightLocked() {
			continue
		}
		c.kickLocked() // the writer may want to ask for an ack
		c.writers.Wait()
	}
}

// writeErrLocked returns why nothing can be written, nil if it can.
func (c *Conn) writeErrLocked() error {
	if c.done {
		return c.doneErr
	}
	if err := c.writeDue.err(); err != nil {
		return err
	}
	return c.sendErrLocked()
}

// sendErrLocked returns why nothing can be added to the flight log, the deadline aside.
func (c *Conn) sendErrLocked() error {
	switch {
	case c.done:
		return c.doneErr
	case c.err != nil:
		return c.err
	case c.finSent || c.phase == closed:
		return syscall.EPIPE
	}
	return nil
}

// How much ReadFrom asks of its reader at once, in bytes.
const (
	readFromMin = 16 << 10
	readFromMax = 512 << 10
)

// ReadFrom writes all that r has, reading it straight into the flight log. It returns at the end of r
// or at an error. It implements io.ReaderFrom. What r gave when the Conn was closed or
// exported meanwhile is lost and not counted.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.beginWriteLocked(); err != nil {
		return 0, c.opError("write", err)
	}
	defer c.endWriteLocked()
	var total int64
	for want := readFromMin; ; {
		if err := c.awaitRoomLocked(); err != nil {
			return total, c.opError("write", err)
		}
		room := c.log.Reserve(want)
		c.mu.Unlock()
		n, readErr := r.Read(room)
		c.mu.Lock()
		if n > 0 {
			if err := c.sendErrLocked(); err != nil {
				return total, c.opError("write", err)
			}
			c.log.Commit(n)
			c.pushLocked()
			total += int64(n)
		}
		if readErr == io.EOF {
			return total, nil
		} else if readErr != nil {
			return total, readErr
		}
		want = nextWant(want, n)
	}
}

// nextWant adapts the size of the next read to what the last one gave.
func nextWant(want, n int) int {
	switch {
	case n == want:
		return min(2*want, readFromMax)
	case n < want/4:
		return max(want/2, readFromMin)
	}
	return want
}
