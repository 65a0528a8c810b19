package rocks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"rock/rocks/wire"
)

var errStub = errors.New("not written yet")

// Endpoint owns rocks.
type Endpoint struct{}

// NewEndpoint opens the resume listener and starts the watcher.
func NewEndpoint(cfg Config) (*Endpoint, error) {
	_, err := cfg.withDefaults()
	_ = err
	return nil, errStub
}

// Dial connects a new rock; ErrOrdinary if the peer has no rocks.
func (e *Endpoint) Dial(ctx context.Context, network, address string) (*Conn, error) {
	return nil, errStub
}

// DialOn makes a rock on an already connected, announced connection, which it then owns.
func (e *Endpoint) DialOn(ctx context.Context, nc net.Conn, announced wire.Announcement) (*Conn, error) {
	return nil, errStub
}

// Listen returns a listener of rocks only.
func (e *Endpoint) Listen(ctx context.Context, network, address string) (*Listener, error) {
	return nil, errStub
}

// Accept takes a connection whose next bytes start with the magic.
func (e *Endpoint) Accept(ctx context.Context, nc net.Conn) (*Conn, error) { return nil, errStub }

// Announcement is what to answer a probe with.
func (e *Endpoint) Announcement(held bool) wire.Announcement { return wire.Announcement{} }

// Resume continues a rock from its State.
func (e *Endpoint) Resume(ctx context.Context, st *State) (*Conn, error) { return nil, errStub }

// Conns lists the rocks.
func (e *Endpoint) Conns() []Info { return nil }

// NetworkChanged checks all links now and retries all suspended ones now.
func (e *Endpoint) NetworkChanged() {}

// Flush waits until every rock closed by the program has delivered its flight log.
func (e *Endpoint) Flush(ctx context.Context) error { return errStub }

// Close ends all.
func (e *Endpoint) Close() error { return nil }

// Listener is a net.Listener of rocks.
type Listener struct{}

// Accept waits for the next rock.
func (l *Listener) Accept() (net.Conn, error) { return nil, errStub }

// Close stops listening.
func (l *Listener) Close() error { return nil }

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return nil }

// Info describes a rock at one moment.
type Info struct {
	ID            wire.ID
	State         string // connecting, established, suspended or closed
	Local, Remote netip.AddrPort
	Role          wire.Role
	Epoch         uint32
	InFlight      int
	Since         time.Time
	LastError     string
}

// Conn is one end of a rock.
type Conn struct{}

// ID returns the id of the rock.
func (c *Conn) ID() wire.ID { return wire.ID{} }

// Info describes the rock now.
func (c *Conn) Info() Info { return Info{} }

// Read reads.
func (c *Conn) Read(p []byte) (int, error) { return 0, errStub }

// Write writes.
func (c *Conn) Write(p []byte) (int, error) { return 0, errStub }

// Close closes orderly.
func (c *Conn) Close() error { return errStub }

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return nil }

// RemoteAddr returns the remote address.
func (c *Conn) RemoteAddr() net.Addr { return nil }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return errStub }

// SetReadDeadline sets the read deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return errStub }

// SetWriteDeadline sets the write deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return errStub }

// CloseWrite sends FIN after all written bytes.
func (c *Conn) CloseWrite() error { return errStub }

// CloseRead discards further input.
func (c *Conn) CloseRead() error { return errStub }

// Reset ends the rock; the peer's program sees ECONNRESET.
func (c *Conn) Reset() error { return errStub }

// Export detaches the rock.
func (c *Conn) Export(ctx context.Context) (*State, error) { return nil, errStub }

var _ net.Conn = (*Conn)(nil)
