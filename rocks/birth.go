package rocks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// firstGeneration is the number of the link that a rock is born with.
const firstGeneration = 1

// capabilities are what this program can do beyond its protocol version: nothing yet.
const capabilities = 0

// adoptTime is how long a server waits, in handshake timeouts, for a client whose
// first link was lost just before it committed it.
const adoptTime = 3

// DialOn makes a new rock on nc, a connection whose other end has announced itself as a rock, and on
// which nothing was said yet. From the call on nc belongs to the rock; it is closed if DialOn fails. It
// blocks for one round trip, until ctx is done or Config.HandshakeTimeout is over.
func (e *Endpoint) DialOn(ctx context.Context, nc net.Conn, announced wire.Announcement) (*Conn, error) {
	c := newConn(e, wire.NewID(), wire.RoleClient)
	c.setAddrs(nc)
	c.dialed = c.remote
	if err := e.register(c); err != nil {
		nc.Close()
		return nil, err
	}
	x := newExchange(ctx, nc, nc, e.cfg.HandshakeTimeout)
	err := c.sayHello(x, announced)
	if err != nil {
		x.abandon()
		c.mu.Lock()
		c.failLocked(err)
		c.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: nc.RemoteAddr(), Err: err}
	}
	return c, nil
}

// setAddrs takes the addresses that the program sees from the first connection.
func (c *Conn) setAddrs(nc net.Conn) {
	c.local, c.remote = addrPort(nc.LocalAddr()), addrPort(nc.RemoteAddr())
	c.observed = c.remote.Addr()
}

// sayHello is the client's side of a birth: hello, welcome, commit.
func (c *Conn) sayHello(x *exchange, announced wire.Announcement) error {
	if _, ok := announced.Versions.Common(wire.Supported()); !ok {
		return &RefusedError{Reason: wire.ReasonVersion, Versions: announced.Versions}
	}
	own, err := auth.NewPrivateKey()
	if err != nil {
		return err
	}
	limit := uint64(c.in.Limit())
	if err := x.send(&wire.Hello{
		ID: c.id, Versions: wire.Supported(), Capabilities: capabilities,
		Instance: c.e.instance, Incarnation: c.incarnation,
		PublicKey: own.Public(), Nonce: auth.Nonce(), Limit: limit, Addresses: c.e.addresses(),
	}); err != nil {
		return err
	}
	welcome, err := readWelcome(x, own, c.id)
	if err != nil {
		return err
	}
	commit := x.seal(auth.LabelCommit, &wire.Commit{Generation: firstGeneration})
	if err := x.release(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys, c.version, c.capabilities = *x.keys, welcome.Version, welcome.Capabilities
	return c.adoptLocked(x.nc, offer{
		generation: firstGeneration, granted: limit, credit: welcome.Limit, preface: commit,
		epoch: 1, incarnation: welcome.Incarnation, addrs: welcome.Addresses,
	})
}

// readWelcome reads the welcome, which leads to the keys that prove it.
func readWelcome(x *exchange, own auth.PrivateKey, id wire.ID) (*wire.Welcome, error) {
	m, raw, err := x.read("welcome")
	if err != nil {
		return nil, err
	}
	var w *wire.Welcome
	switch m := m.(type) {
	case *wire.Refuse:
		return nil, &RefusedError{Reason: m.Reason, Versions: m.Versions}
	case *wire.Welcome:
		w = m
	default:
		return nil, &wire.FormatError{What: "handshake", Detail: fmt.Sprintf("%v instead of welcome", m.Type())}
	}
	if w.ID != id {
		return nil, &wire.FormatError{What: "welcome", Detail: "it is for another rock"}
	}
	if w.Version < wire.MinVersion || w.Version > wire.MaxVersion {
		return nil, &wire.VersionError{Got: w.Version}
	}
	if w.Capabilities&^capabilities != 0 {
		return nil, &wire.FormatError{What: "welcome", Detail: "it has capabilities that were not offered"}
	}
	keys, err := auth.Derive(own, w.PublicKey, x.t.Add(raw[:len(raw)-wire.MACSize]).Hash())
	if err != nil {
		return nil, err
	}
	x.as(wire.RoleClient, &keys)
	if !x.authentic(auth.LabelWelcome, raw) {
		return nil, fmt.Errorf("check welcome: %w", ErrAuth)
	}
	x.heard(raw)
	return w, nil
}

// acceptHello is the server's side of a birth. It returns when the client has committed the link, be it
// this one or, if this one is lost, another soon after.
func (e *Endpoint) acceptHello(x *exchange, hello *wire.Hello, raw []byte) (*Conn, error) {
	x.heard(raw)
	version, ok := hello.Versions.Common(wire.Supported())
	if !ok {
		x.refuse(wire.ReasonVersion)
		return nil, &RefusedError{Reason: wire.ReasonVersion, Versions: hello.Versions}
	}
	c := newConn(e, hello.ID, wire.RoleServer)
	c.setAddrs(x.nc)
	c.dialed = c.local
	if err := c.sayWelcome(x, hello, version); err != nil {
		x.abandon()
		return nil, err
	}
	err := c.awaitCommit(x, hello)
	if err == nil {
		return c, nil
	}
	x.abandon()
	return c.awaitBirth(x.ctx, err)
}

// sayWelcome makes the keys, makes the rock known, so that the client can resume it from now on, and
// answers.
func (c *Conn) sayWelcome(x *exchange, hello *wire.Hello, version uint8) error {
	own, err := auth.NewPrivateKey()
	if err != nil {
		return err
	}
	w := &wire.Welcome{
		ID: c.id, Version: version, Capabilities: capabilities & hello.Capabilities, Instance: c.e.instance, Incarnation: c.incarnation,
		PublicKey: own.Public(), Nonce: auth.Nonce(), Limit: uint64(c.in.Limit()), Addresses: c.e.addresses(),
	}
	plain := wire.AppendMessage(nil, w)
	c.keys, err = auth.Derive(own, hello.PublicKey, x.t.Add(plain[:len(plain)-wire.MACSize]).Hash())
	if err != nil {
		return err
	}
	x.as(wire.RoleServer, &c.keys)
	c.granted, c.credit = w.Limit, hello.Limit
	c.version, c.capabilities = version, w.Capabilities
	c.peerIncarnation = hello.Incarnation
	c.setPeersLocked(hello.Addresses)
	if err := c.e.register(c); err != nil {
		return err
	}
	if err := x.sendSealed(auth.LabelWelcome, w); err != nil {
		c.fail(err)
		return err
	}
	return nil
}

// awaitCommit reads the commit and adopts the link.
func (c *Conn) awaitCommit(x *exchange, hello *wire.Hello) error {
	commit, err := readSealed[*wire.Commit](x, auth.LabelCommit)
	if err != nil {
		return err
	}
	if err := x.release(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if commit.Generation <= c.generation {
		return errReplaced
	}
	return c.adoptLocked(x.nc, offer{
		generation: commit.Generation, granted: c.granted, credit: hello.Limit,
		epoch: 1, incarnation: hello.Incarnation, addrs: hello.Addresses,
	})
}

// awaitBirth waits a while for the client to resume a rock whose first link was lost with its
// commit. Without that, the client would believe in a rock that does not exist.
func (c *Conn) awaitBirth(ctx context.Context, cause error) (*Conn, error) {
	if errors.Is(cause, ErrAuth) || !lostOnTheWay(cause) {
		c.fail(cause)
		return nil, cause
	}
	t := time.NewTimer(adoptTime * c.e.cfg.HandshakeTimeout)
	defer t.Stop()
	select {
	case <-c.born:
	case <-t.C:
		c.fail(cause)
	case <-ctx.Done():
		c.fail(context.Cause(ctx))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == closed {
		return nil, cause
	}
	return c, nil
}

// lostOnTheWay reports whether err is one of the network, not of what was said.
func lostOnTheWay(err error) bool {
	var op net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errReplaced) || errors.As(err, &op)
}

// fail is failLocked for callers without the lock.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}
