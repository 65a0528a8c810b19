package rockstest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// An end is one end of a connection. It is a net.Conn with CloseWrite,
// CloseRead and SetLinger, as *net.TCPConn is. All of it is guarded by net.mu.
type end struct {
	net           *Net
	wire          *Wire
	host          *Host
	local, remote netip.AddrPort // as this end sees them
	in, out       *stream

	buf                         []byte // arrived, not read
	eof                         bool   // a FIN arrived
	err                         error  // the connection has failed
	closed, readShut, writeShut bool
	linger                      int // as SetLinger, -1 by default
	readable, writable          sync.Cond
	readBy, writeBy             deadline
}

func newEnd(w *Wire, h *Host, local, remote netip.AddrPort) *end {
	e := &end{net: w.net, wire: w, host: h, local: local, remote: remote, linger: -1}
	e.readable.L, e.writable.L = &w.net.mu, &w.net.mu
	return e
}

// peer returns the other end.
func (e *end) peer() *end { return e.out.to }

// Read returns what arrived before it returns an error or the end.
func (e *end) Read(p []byte) (int, error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, e.opError("read", net.ErrClosed)
		case e.readBy.passed():
			return 0, e.opError("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(e.buf) > 0:
			n := copy(p, e.buf)
			e.buf = e.buf[n:]
			e.in.advance() // there is room now
			return n, nil
		case e.err != nil:
			return 0, e.opError("read", os.NewSyscallError("read", e.err))
		case e.eof || e.readShut:
			return 0, io.EOF
		}
		e.readable.Wait()
	}
}

// Write returns when all of p is in the send buffer or has left it.
func (e *end) Write(p []byte) (n int, err error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for {
		switch {
		case e.closed:
			return n, e.opError("write", net.ErrClosed)
		case e.writeBy.passed():
			return n, e.opError("write", os.ErrDeadlineExceeded)
		case e.err != nil:
			return n, e.opError("write", os.NewSyscallError("write", e.err))
		case e.writeShut:
			return n, e.opError("write", os.NewSyscallError("write", syscall.EPIPE))
		case len(p) == 0:
			return n, nil
		}
		space := e.net.cfg.SendBuffer - e.out.queued
		if space <= 0 {
			e.writable.Wait()
			continue
		}
		piece := p[:min(len(p), space, segmentSize)]
		e.out.push(segment{data: append([]byte(nil), piece...)})
		n += len(piece)
		p = p[len(piece):]
	}
}

// TryWrite is as much of Write as can be done without waiting. It returns 0 where that would return an error.
func (e *end) TryWrite(p []byte) (n int) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for n < len(p) && !e.closed && !e.writeBy.passed() && e.err == nil && !e.writeShut {
		space := e.net.cfg.SendBuffer - e.out.queued
		if space <= 0 {
			break
		}
		piece := p[n : n+min(len(p)-n, space, segmentSize)]
		e.out.push(segment{data: append([]byte(nil), piece...)})
		n += len(piece)
	}
	return n
}

// Close sends a FIN, or a RST if there is unread input or linger is 0. What was
// written still arrives, in the background.
func (e *end) Close() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.opError("close", net.ErrClosed)
	}
	e.closed = true
	e.readBy.stop()
	e.writeBy.stop()
	e.readable.Broadcast()
	e.writable.Broadcast()
	switch {
	case e.err != nil:
	case len(e.buf) > 0 || e.linger == 0:
		e.out.reset()
	case !e.writeShut:
		e.out.push(segment{fin: true})
	}
	e.buf = nil
	e.in.advance() // what waits for room meets a closed end
	return nil
}

// CloseWrite sends a FIN.
func (e *end) CloseWrite() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	switch {
	case e.closed:
		return e.opError("close", net.ErrClosed)
	case e.err != nil:
		return e.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	case !e.writeShut:
		e.writeShut = true
		e.writable.Broadcast()
		e.out.push(segment{fin: true})
	}
	return nil
}

// CloseRead makes Read return io.EOF; what arrives later is thrown away.
func (e *end) CloseRead() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.opError("close", net.ErrClosed)
	}
	e.readShut = true
	e.readable.Broadcast()
	e.in.advance()
	return nil
}

// SetLinger with 0 makes Close send a RST.
func (e *end) SetLinger(sec int) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.opError("set", net.ErrClosed)
	}
	e.linger = sec
	return nil
}

// LocalAddr returns the address of this end.
func (e *end) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(e.local) }

// RemoteAddr returns the address of the other end, as seen from here.
func (e *end) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(e.remote) }

// receive takes bytes that arrived.
func (e *end) receive(b []byte) {
	if e.readShut {
		return
	}
	e.buf = append(e.buf, b...)
	e.readable.Broadcast()
}

func (e *end) roomLocked() int {
	if e.readShut {
		return segmentSize
	}
	return max(0, e.net.cfg.ReceiveBuffer-len(e.buf))
}

// failLocked ends the connection for this end, which may still read what has
// arrived. The other end is not told.
func (e *end) failLocked(err error) {
	if e.err != nil {
		return
	}
	e.err = err
	e.out.clear()
	e.readable.Broadcast()
	e.writable.Broadcast()
}

func (e *end) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: e.LocalAddr(), Addr: e.RemoteAddr(), Err: err}
}

// SetDeadline sets both deadlines.
func (e *end) SetDeadline(t time.Time) error {
	if err := e.SetReadDeadline(t); err != nil {
		return err
	}
	return e.SetWriteDeadline(t)
}

// SetReadDeadline is that of net.Conn.
func (e *end) SetReadDeadline(t time.Time) error { return e.setDeadline(&e.readBy, &e.readable, t) }

// SetWriteDeadline is that of net.Conn.
func (e *end) SetWriteDeadline(t time.Time) error { return e.setDeadline(&e.writeBy, &e.writable, t) }

func (e *end) setDeadline(d *deadline, wake *sync.Cond, t time.Time) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.opError("set", net.ErrClosed)
	}
	d.set(t, wake)
	return nil
}

// A deadline wakes those who wait for a condition when it has passed.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(t time.Time, wake *sync.Cond) {
	d.stop()
	d.at = t
	if t.IsZero() {
		return
	}
	if d.passed() {
		wake.Broadcast()
		return
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		wake.L.Lock()
		defer wake.L.Unlock()
		wake.Broadcast()
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
