package rocks

import (
	"context"
	"errors"
	"fmt"
	"net"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// errPeerRolledBack and errPeerStale: it is the peer that can not go on. This end waits for
// one that can.
var (
	errPeerRolledBack = errors.New("peer's state is rolled back behind what it has acknowledged or sent")
	errPeerStale      = errors.New("peer is a stale copy")
	errNotWanted      = errors.New("rock has a link already")
)

// resumeOn is the dialling side of a resume. nc belongs to it. On success nc is the link.
func (c *Conn) resumeOn(ctx context.Context, nc net.Conn) error {
	x := newExchange(ctx, nc, nc, c.e.cfg.HandshakeTimeout)
	x.as(c.role, &c.keys)
	if err := c.sayResume(x); err != nil {
		x.abandon()
		return err
	}
	return nil
}

func (c *Conn) sayResume(x *exchange) error {
	m := c.resumeMessage()
	x.claim = claim{m.Epoch, m.Generation}
	if err := x.send(m); err != nil {
		return err
	}
	ch, err := readSealed[*wire.Challenge](x, auth.LabelChallenge)
	if err != nil {
		return c.refused(x, err)
	}
	if c.mourns() {
		x.refuse(wire.ReasonClosed)
		return net.ErrClosed
	}
	peer := proven{ch.Epoch, ch.Incarnation, ch.PeerEpoch, ch.Received, m.Generation}
	if err := c.judge(x, peer); err != nil {
		return err
	}
	o := offer{
		received: ch.Received, credit: ch.Limit,
		epoch: ch.Epoch, incarnation: ch.Incarnation, addrs: ch.Addresses,
	}
	if c.role == wire.RoleClient {
		return c.commit(x, o, ch.Generation, auth.LabelProof)
	}
	return c.prove(x, o)
}

// resumeMessage returns what this end says first when it resumes the rock.
func (c *Conn) resumeMessage() *wire.Resume {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &wire.Resume{
		ID: c.id, Role: c.role, Epoch: c.epoch, Incarnation: c.incarnation, PeerEpoch: c.peerEpoch,
		Generation: c.generation, Nonce: auth.Nonce(), Addresses: c.e.addresses(),
	}
}

// mourns reports whether the rock has ended and the peer is looked for only to be told so. It is, now
// that it has been found.
func (c *Conn) mourns() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mourning
}

// commit is the client's decision: the connection is the link from now on. The message that says so, a
// proof or a commit, goes out as the first bytes of the link.
func (c *Conn) commit(x *exchange, o offer, peerGeneration uint64, label auth.Label) error {
	if err := x.release(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if label == auth.LabelProof && c.phase != suspended {
		return errNotWanted // another attempt was faster
	}
	o.generation = max(c.generation, peerGeneration) + 1
	x.claim.generation = o.generation
	if label == auth.LabelProof {
		received, limit := c.receivedLocked(), c.grantLocked()
		o.granted = limit
		o.preface = x.seal(label, &wire.Proof{Received: received, Limit: limit, Generation: o.generation})
	} else {
		o.preface = x.seal(label, &wire.Commit{Generation: o.generation})
	}
	x.heard(o.preface)
	o.said = x
	return c.adoptLocked(x.nc, o)
}

// prove is the server's answer to a challenge; the client's commit follows.
func (c *Conn) prove(x *exchange, o offer) error {
	c.mu.Lock()
	m := &wire.Proof{Received: c.receivedLocked(), Limit: c.grantLocked(), Generation: c.generation}
	c.mu.Unlock()
	x.claim.generation = m.Generation
	o.granted = m.Limit
	if err := x.sendSealed(auth.LabelProof, m); err != nil {
		return err
	}
	commit, err := readSealed[*wire.Commit](x, auth.LabelCommit)
	if err != nil {
		return c.refused(x, err)
	}
	o.generation = commit.Generation
	return c.obey(x, o)
}

// obey is the server's part in a commit: it adopts the link if it is newer than its own.
func (c *Conn) obey(x *exchange, o offer) error {
	if err := x.release(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.generation <= c.generation {
		return errNotWanted
	}
	return c.adoptLocked(x.nc, o)
}

// claim is what an end has said of itself in a handshake, by which the peer judges it. It is out of date when the
// end has another epoch, or has had another link.
type claim struct {
	epoch      uint32
	generation uint64
}

// proven is what the peer has said of itself under a MAC, and when.
type proven struct {
	epoch       uint32
	incarnation wire.Incarnation
	knows       uint32 // our epoch, as the peer knows it
	received    uint64
	began       uint64 // our newest generation when the handshake began
}

// judge decides whether both ends may go on with the rock. If the peer may not, it is told so; if this
// end may not, the rock fails.
func (c *Conn) judge(x *exchange, p proven) error {
	c.mu.Lock()
	err := c.judgeLocked(p)
	c.mu.Unlock()
	switch {
	case errors.Is(err, errPeerStale):
		x.refuse(wire.ReasonStale)
	case errors.Is(err, errNotWanted):
		x.refuse(wire.ReasonSuperseded)
	case errors.Is(err, errPeerRolledBack):
		x.refuse(wire.ReasonRolledBack)
	case errors.Is(err, ErrStaleEpoch), errors.Is(err, ErrRolledBack):
		c.fail(&ResetError{Cause: err})
	}
	return err
}

// judgeLocked is what judge decides by.
func (c *Conn) judgeLocked(p proven) error {
	switch {
	case c.phase == closed:
		return net.ErrClosed
	case c.staleLocked(p.epoch, p.incarnation):
		return errPeerStale
	case p.knows > c.epoch:
		return ErrStaleEpoch
	case c.generation != p.began:
		return errNotWanted // another link has moved the offsets on meanwhile; these prove nothing
	case c.reset != wire.ResetDone:
		return nil // the offsets do not matter any more
	case p.received > c.sentMax+one(c.finSent && c.sentMax == c.log.End()):
		return ErrRolledBack
	case p.received < c.log.Start()+one(c.finAcked):
		return errPeerRolledBack
	}
	return nil
}

// staleLocked reports whether the peer is known in a newer epoch, or in another incarnation of
// the same one.
func (c *Conn) staleLocked(epoch uint32, i wire.Incarnation) bool {
	if epoch != c.peerEpoch {
		return epoch < c.peerEpoch
	}
	return c.peerIncarnation != wire.Incarnation{} && i != c.peerIncarnation
}

// refused takes in a refusal: what is proven, or can not do harm, ends the rock or sends it elsewhere.
// What the peer says of a claim that is out of date says nothing: it has gone on with us meanwhile, maybe, and if it
// has not the next claim is refused too. It returns err with a name.
func (c *Conn) refused(x *exchange, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == closed && r.Reason != wire.ReasonBusy && r.Reason != wire.ReasonMoved {
		c.redial.stopLocked() // the peer knows
	}
	atEnd := c.finSent && c.finReceived || c.reset != wire.ResetDone || c.wasReset
	switch {
	case r.proven && (r.Reason == wire.ReasonStale || r.Reason == wire.ReasonRolledBack):
		if x.claim != (claim{c.epoch, c.generation}) {
			break
		}
		c.failLocked(&ResetError{Cause: r.Unwrap()})
	case r.proven && r.Reason == wire.ReasonClosed, r.Reason == wire.ReasonUnknown && atEnd:
		if atEnd {
			c.moveLocked(closed, nil)
		} else {
			c.failLocked(&ResetError{})
		}
	case r.Reason == wire.ReasonUnknown && !c.confirmed:
		// The birth was never completed at the peer, so there is nothing to lose.
		c.failLocked(&ResetError{Cause: ErrUnknownRock})
	case r.proven && r.Reason == wire.ReasonMoved:
		if x.claim == (claim{c.epoch, c.generation}) {
			c.followLocked(r.Addresses)
		}
	}
	return fmt.Errorf("resume: %w", r.Unwrap())
}
