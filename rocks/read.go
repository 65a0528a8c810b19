package rocks

import (
	"io"
	"net"

	"rock/rocks/flight"
)

// ackEvery is how many bytes may come in, or be read by the program, before the peer is
// told, if the buffers are not small.
const ackEvery = 256 << 10

// Read reads what has come from the peer, in order, waiting for at least one byte. It returns
// io.EOF after the peer's last byte.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.awaitInputLocked(len(p) == 0); err != nil {
		if err == io.EOF {
			return 0, err
		}
		return 0, c.opError("read", err)
	}
	n := copyOut(p, c.in)
	c.consumedLocked(c.in.Start() + uint64(n))
	return n, nil
}

// copyOut copies from the start of the ring to p.
func copyOut(p []byte, r *flight.Ring) int {
	a, b := r.Slices(r.Start(), len(p))
	n := copy(p, a)
	return n + copy(p[n:], b)
}

// awaitInputLocked waits until there is input and it is the caller's turn to take it. If none will come
// it returns why. With poll it does not wait.
func (c *Conn) awaitInputLocked(poll bool) error {
	for {
		if c.done {
			return c.doneErr
		}
		if err := c.readDue.err(); err != nil {
			return err
		}
		if poll || !c.reading && c.in.Len() > 0 {
			return nil
		}
		if !c.reading {
			if c.finReceived || c.readClosed {
				return io.EOF
			}
			if c.err != nil {
				return c.err
			}
		}
		c.readers.Wait()
	}
}

// consumedLocked takes the input before offset off. The peer gets new credit if that is worth telling or
// it may be waiting for it.
func (c *Conn) consumedLocked(offset uint64) {
	c.in.Trim(offset)
	if c.phase == closed && c.in.Len() == 0 {
		c.noteLocked() // nothing is left of the rock
	}
	l := c.link
	if l == nil {
		return
	}
	more := c.grantLocked() - c.granted
	if more >= c.ackStep() || more > 0 && c.in.End() >= c.granted {
		l.ackNow = true
		l.kick()
	}
}

// grantLocked returns the offset up to which the peer may send: what there is room for, and never less than
// it was told before.
func (c *Conn) grantLocked() uint64 {
	return max(c.granted, c.in.End()+uint64(c.in.Free()))
}

// ackStep returns how many bytes are worth an ack.
func (c *Conn) ackStep() uint64 { return uint64(max(1, min(ackEvery, c.in.Limit()/4))) }

// WriteTo writes all input to w until its end or an error, straight from the receive
// buffer. Bytes that w has not taken stay readable. It implements io.WriterTo.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	var total int64
	direct := sinkOf(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		n, err := c.awaitPassingLocked(direct)
		total += n
		if err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, c.opError("read", err)
		}
		start := c.in.Start()
		a, b := c.in.Slices(start, maxBatch)
		c.in.Pin()
		c.reading = true
		c.mu.Unlock()
		n, err = writeBoth(w, a, b)
		c.mu.Lock()
		c.reading = false
		c.in.Unpin()
		c.consumedLocked(start + uint64(n))
		c.readers.Broadcast()
		total += n
		if err != nil {
			return total, err
		}
	}
}

// awaitPassingLocked is awaitInputLocked for a WriteTo. As long as it waits the link may pass what comes on to its sink, if it
// has one; how much that was is returned.
func (c *Conn) awaitPassingLocked(s sink) (int64, error) {
	for c.waiting != nil {
		c.readers.Wait() // for another WriteTo
	}
	c.waiting, c.passed = s, 0
	err := c.awaitInputLocked(false)
	c.waiting = nil
	c.readers.Broadcast() // for that
	for c.reading {
		c.readers.Wait() // a part of the input may be on its way through the sink
	}
	return c.passed, err
}

// writeBoth writes a and b to w, in one system call where w can do that.
func writeBoth(w io.Writer, a, b []byte) (int64, error) {
	if len(b) == 0 {
		n, err := w.Write(a)
		return int64(n), err
	}
	v := net.Buffers{a, b}
	return v.WriteTo(w)
}
