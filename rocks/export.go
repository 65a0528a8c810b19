package rocks

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// Export takes the rock out of the Conn without telling the peer, for which the link is simply
// lost. The State holds everything to go on with it, here or elsewhere; nothing is drained outside the
// Conn, so bytes that a ReadFrom or WriteTo holds at that moment are lost: stop them
// before. The Conn is closed; its methods return ErrExported. It blocks until the link is closed. If
// ctx is done before, or the rock has ended, it returns an error; in the first case nothing has changed
// but that the rock is suspended for a moment. It is [Conn.Seal] and [Conn.Yield] in one.
func (c *Conn) Export(ctx context.Context) (*State, error) {
	st, err := c.Seal(ctx)
	if err != nil {
		return nil, err
	}
	c.Yield()
	return st, nil
}

// Seal gives the rock's link up, keeps it from getting another one, and returns its State. Until
// [Conn.Unseal] or [Conn.Yield] nothing comes or goes and nothing is acknowledged, so the State stays true as long as
// nobody reads or writes here; as with Export, what a ReadFrom or WriteTo holds is not part of it.
// It blocks until the link is closed; errors are those of Export.
func (c *Conn) Seal(ctx context.Context) (*State, error) {
	c.mu.Lock()
	if err := c.exportableLocked(); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	c.sealed = true
	if c.phase == established {
		c.moveLocked(suspended, errExporting)
	}
	c.redial.stopLocked()
	ended := c.ended
	c.mu.Unlock()

	var cause error
	select {
	case <-ended:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if cause == nil && c.phase != suspended {
		cause = fmt.Errorf("rock is %v", c.phase)
	}
	if cause != nil {
		c.unsealLocked()
		return nil, c.opError("export", cause)
	}
	return c.stateLocked(), nil
}

// sealEpochs is by how much Unseal raises the epoch: by one more than Resume, so that whoever resumes
// the State that Seal returned is the stale one.
const sealEpochs = 2

// Unseal lets a sealed rock go on here. The State that Seal returned is worthless from now on: who
// resumes it is refused as stale once this end has met its peer again. It does nothing to a rock that is not sealed.
func (c *Conn) Unseal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sealed {
		return
	}
	if c.epoch <= math.MaxUint32-sealEpochs {
		c.epoch += sealEpochs
	}
	c.e.returned(c.key())
	c.unsealLocked()
}

func (c *Conn) unsealLocked() {
	c.sealed = false
	if c.phase == suspended {
		c.redial.startLocked(c, 0)
	}
}

// Yield closes a sealed rock here: it belongs to the holder of its State. The Conn's methods return
// ErrExported. It does nothing to a rock that is not sealed.
func (c *Conn) Yield() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sealed {
		return
	}
	c.orphan = ErrExported
	if !c.done {
		c.doneLocked(ErrExported)
	}
	c.moveLocked(closed, ErrExported)
}

var errExporting = fmt.Errorf("link was closed: %w", ErrExported)

// exportableLocked says why the rock can not be exported now, if it can not.
func (c *Conn) exportableLocked() error {
	switch {
	case c.phase == connecting || c.phase == closed:
		return c.opError("export", fmt.Errorf("rock is %v", c.phase))
	case c.sealed:
		return c.opError("export", fmt.Errorf("it is under way already"))
	}
	return nil
}

// stateLocked returns the rock as a State. It must not have a link.
func (c *Conn) stateLocked() *State {
	st := c.identityLocked()
	st.Acked, st.Sent, st.Flight, st.Credit = c.log.Start(), c.log.End(), c.log.Bytes(), max(c.credit, c.log.Start())
	st.Consumed, st.Received, st.Input, st.Granted = c.in.Start(), c.in.End(), c.in.Bytes(), max(c.granted, c.in.End())
	st.FinSent, st.FinAcked, st.FinReceived, st.ReadClosed = c.finSent, c.finAcked, c.finReceived, c.readClosed
	st.Closed, st.ResetPending, st.ResetReceived = c.done, c.reset != wire.ResetDone, c.wasReset
	return st
}

// identityLocked returns what a State says of the rock besides its two streams and how they end.
func (c *Conn) identityLocked() *State {
	return &State{
		ID: c.id, Role: c.role, Protocol: c.version, Capabilities: c.capabilities,
		Epoch: c.epoch, PeerEpoch: c.peerEpoch, PeerIncarnation: c.peerIncarnation, Generation: c.generation,
		ClientKey: Key(c.keys.Client), ServerKey: Key(c.keys.Server),
		Local: c.local, Remote: c.remote, Dialed: c.dialed, Peers: c.candidatesLocked(), Options: c.options,
		Suspended: c.suspendedAt.UTC().Round(0), Timeout: c.timeout,
		FlightLimit: c.log.Limit(), ReceiveLimit: c.in.Limit(),
	}
}

// Resume goes on with a rock from its State, which it keeps no part of. The epoch is raised by one, so that any
// other copy of the State becomes stale. Resume does not wait: the Conn is suspended and looks for
// its peer. If it may not go on, its Read and Write return a *ResetError with ErrStaleEpoch or ErrRolledBack.
func (e *Endpoint) Resume(ctx context.Context, st *State) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := e.fromState(st)
	if err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	if err := e.register(c); err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	e.returned(c.key())
	e.log.Info("rock taken over", "state", st)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLocked()
	c.searchLocked()
	return c, nil
}

// fromState returns the Conn that a State describes, in the next epoch, suspended, and known to nobody.
func (e *Endpoint) fromState(st *State) (*Conn, error) {
	if err := st.Validate(); err != nil {
		return nil, err
	}
	if st.Protocol < wire.MinVersion || st.Protocol > wire.MaxVersion {
		return nil, &wire.VersionError{Got: st.Protocol}
	}
	if st.Epoch == math.MaxUint32 {
		return nil, refuse("epoch", "can not be raised any more")
	}
	c := newConn(e, st.ID, st.Role)
	c.keys = auth.Keys{Client: st.ClientKey, Server: st.ServerKey}
	c.local, c.remote, c.dialed, c.options = st.Local, st.Remote, st.Dialed, st.Options
	c.timeout, c.confirmed = st.Timeout, true
	c.version, c.capabilities = st.Protocol, st.Capabilities
	c.epoch, c.peerEpoch, c.peerIncarnation = st.Epoch+1, st.PeerEpoch, st.PeerIncarnation
	c.generation = st.Generation
	c.peers = append([]netip.AddrPort(nil), st.Peers...)
	c.restoreStreams(st)
	c.phase, c.suspendedAt = suspended, st.Suspended
	close(c.born)
	return c, nil
}

// restoreStreams takes both streams and how they end from a State.
func (c *Conn) restoreStreams(st *State) {
	c.log = c.newRing(st.Acked, max(st.FlightLimit, len(st.Flight)), wordFlight)
	c.log.Append(st.Flight)
	c.credit, c.sentMax = st.Credit, c.log.End()
	c.finSent, c.finAcked = st.FinSent, st.FinAcked
	c.in = c.newRing(st.Consumed, max(st.ReceiveLimit, len(st.Input)), wordInput)
	c.in.Append(st.Input)
	c.granted, c.finReceived, c.readClosed = st.Received, st.FinReceived, st.ReadClosed
	if st.ResetPending {
		c.reset, c.err = wire.ResetProgram, &ResetError{}
	}
	if st.ResetReceived {
		c.wasReset, c.err = true, &ResetError{}
	}
	if st.Closed {
		c.doneLocked(net.ErrClosed)
	}
}

// Options returns the socket options that came with the State, for whoever sets them on the program's
// socket. See SetOptions.
func (c *Conn) Options() map[SocketOption][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.options
}

// SetOptions gives the Conn socket options to carry in its State. It sets none itself. The map
// must not be changed afterwards.
func (c *Conn) SetOptions(o map[SocketOption][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options = o
	c.keepLocked()
}

// Gone is closed when the rock has ended and everything about it is done.
func (c *Conn) Gone() <-chan struct{} { return c.gone }
