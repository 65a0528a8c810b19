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

// Accept takes over nc, a connection accepted anywhere whose next bytes start with wire.Magic. A hello
// makes a new rock, which is returned established. A resume is passed on to its rock, and Accept returns nil
// twice. nc is closed if Accept fails. It blocks for one round trip, or until ctx is done.
func (e *Endpoint) Accept(ctx context.Context, nc net.Conn) (*Conn, error) {
	return e.accept(ctx, nc, nc)
}

// accept is Accept for a connection of which some bytes were read; r gives them again.
func (e *Endpoint) accept(ctx context.Context, nc net.Conn, r io.Reader) (*Conn, error) {
	x := newExchange(ctx, nc, r, e.cfg.HandshakeTimeout)
	m, raw, err := x.read("first message")
	if err != nil {
		var version *wire.VersionError
		if errors.As(err, &version) {
			x.refuse(wire.ReasonVersion)
		}
		x.abandon()
		return nil, err
	}
	switch m := m.(type) {
	case *wire.Hello:
		return e.acceptHello(x, m, raw)
	case *wire.Resume:
		return nil, e.acceptResume(x, m, raw)
	}
	x.abandon()
	return nil, &wire.FormatError{What: "handshake", Detail: fmt.Sprintf("it starts with %v", m.Type())}
}

// acceptResume finds the rock that m is about.
func (e *Endpoint) acceptResume(x *exchange, m *wire.Resume, raw []byte) error {
	x.heard(raw)
	key := rockKey{m.ID, m.Role.Peer()}
	if f := e.forwarded(key); f != nil {
		return f.refuse(x, key)
	}
	c, grave := e.find(key)
	switch {
	case c != nil:
		err := c.answerResume(x, m)
		if err != nil {
			x.abandon()
			c.logger.Debug("resume by the peer failed", "remote", x.nc.RemoteAddr(), "err", err)
		}
		return err
	case grave != nil:
		x.as(key.role, &grave.keys)
		x.refuse(wire.ReasonClosed)
		return fmt.Errorf("resume of rock %v: %w", m.ID, net.ErrClosed)
	}
	x.refuse(wire.ReasonUnknown)
	return fmt.Errorf("resume of rock %v: %w", m.ID, ErrUnknownRock)
}

// answerResume is the accepting side of a resume. Nothing of the rock changes before the peer has
// proven itself.
func (c *Conn) answerResume(x *exchange, m *wire.Resume) error {
	c.mu.Lock()
	stale, keys := c.staleLocked(m.Epoch, m.Incarnation), c.keys
	ch := &wire.Challenge{
		Epoch: c.epoch, Incarnation: c.incarnation, PeerEpoch: c.peerEpoch, Generation: c.generation,
		Received: c.receivedLocked(), Limit: c.grantLocked(), Nonce: auth.Nonce(), Addresses: c.e.addresses(),
	}
	c.mu.Unlock()
	x.claim = claim{ch.Epoch, ch.Generation}
	if keys == (auth.Keys{}) {
		x.refuse(wire.ReasonUnknown)
		return ErrUnknownRock
	}
	x.as(c.role, &keys)
	if stale {
		x.refuse(wire.ReasonStale)
		return errPeerStale
	}
	if err := x.sendSealed(auth.LabelChallenge, ch); err != nil {
		return err
	}
	p, err := readSealed[*wire.Proof](x, auth.LabelProof)
	if err != nil {
		return c.refused(x, err)
	}
	if err := c.judge(x, proven{m.Epoch, m.Incarnation, m.PeerEpoch, p.Received, ch.Generation}); err != nil {
		return err
	}
	o := offer{
		generation: p.Generation, received: p.Received, granted: ch.Limit, credit: p.Limit,
		epoch: m.Epoch, incarnation: m.Incarnation, addrs: m.Addresses,
	}
	if c.role == wire.RoleServer {
		return c.obey(x, o)
	}
	if !c.wanted(m, p.Generation) {
		x.refuse(wire.ReasonSuperseded)
		return errNotWanted
	}
	return c.commit(x, o, p.Generation, auth.LabelCommit)
}

// wanted decides for the client whether to accept a link that the server offers though there is one. The
// server has not adopted that one if it still names an older generation: either what we said last is on its
// way to it, so that this offer is out of date, or it was lost with a link that is dead.
func (c *Conn) wanted(m *wire.Resume, generation uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.link
	if l == nil || m.Epoch > c.peerEpoch || generation >= c.generation {
		return true
	}
	return !l.confirmed && time.Since(l.opened) > youngLink
}
