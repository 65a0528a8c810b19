package rocks

import (
	"io"
	"net/netip"
	"time"

	"rock/rocks/wire"
)

// Info describes a rock at one moment.
type Info struct {
	ID            wire.ID
	State         string         // connecting, established, suspended or closed
	Local, Remote netip.AddrPort // as the program sees them
	LinkLocal     netip.AddrPort // of the link; zero without one
	LinkRemote    netip.AddrPort
	Role          wire.Role
	Epoch         uint32
	Generation    uint64    // number of the newest link
	Sent          uint64    // bytes that the program has written
	Received      uint64    // bytes that came from the peer
	InFlight      int       // bytes written and not acknowledged
	Unread        int       // bytes that came and were not read
	Closed        bool      // by the program; what remains is delivered in the background
	Since         time.Time // of the present State
	LastError     string    // what suspended it, or why the last attempt to resume failed; "" if nothing has
}

// Info describes the rock now.
func (c *Conn) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Info{
		ID: c.id, State: c.phase.String(), Local: c.local, Remote: c.remote, Role: c.role,
		Epoch: c.epoch, Generation: c.generation, Sent: c.log.End(), Received: c.in.End(),
		InFlight: c.log.Len(), Unread: c.in.Len(), Closed: c.done, Since: c.since,
	}
	if c.link != nil {
		i.LinkLocal, i.LinkRemote = addrPort(c.link.nc.LocalAddr()), c.link.remote()
	}
	if c.lastErr != nil {
		i.LastError = c.lastErr.Error()
	}
	return i
}

// Rest returns what has come and was not read by a rock that is Gone, which stays there, and the error that Read
// returns behind it: io.EOF if it has ended in order.
func (c *Conn) Rest() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.done:
		return nil, c.doneErr
	case c.finReceived || c.readClosed || c.err == nil:
		return c.in.Bytes(), io.EOF
	}
	return c.in.Bytes(), c.err
}

// Offsets returns how many bytes the program has written and read.
func (c *Conn) Offsets() (written, read uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.End(), c.in.Start()
}
