package rocks

import (
	"net"
	"net/netip"
	"slices"

	"rock/rocks/wire"
)

// offer is what a handshake has agreed on.
type offer struct {
	generation  uint64           // of the link
	received    uint64           // what the peer has of our stream, FIN included
	granted     uint64           // what we have told the peer that it may send
	credit      uint64           // what the peer has told us that we may send
	epoch       uint32           // of the peer
	incarnation wire.Incarnation // of the peer
	addrs       wire.Addresses   // of the peer
	preface     []byte           // what to say first
	said        *exchange        // the handshake, if the peer may still refuse what the preface says
}

// adoptLocked makes nc the link of the rock, in place of one that it may have. If it fails, nc still
// belongs to the caller.
func (c *Conn) adoptLocked(nc net.Conn, o offer) error {
	if c.phase == closed {
		return net.ErrClosed
	}
	if c.sealed {
		return errNotWanted
	}
	if c.staleLocked(o.epoch, o.incarnation) {
		return errPeerStale // a newer copy came while this one was proving itself
	}
	old := c.link
	c.generation = o.generation
	c.peerEpoch, c.peerIncarnation = o.epoch, o.incarnation
	c.observed = addrPort(nc.RemoteAddr()).Addr()
	c.setPeersLocked(o.addrs)
	c.hints, c.hops = nil, 0
	c.granted, c.credit = max(c.granted, o.granted), o.credit
	if c.reset == wire.ResetDone {
		c.ackedLocked(o.received)
	}
	l := newLinkLocked(c, nc, o.preface)
	l.said = o.said
	if !l.startLocked() {
		c.ended = l.after
		return ErrEndpointClosed
	}
	c.link = l
	if old != nil {
		old.stopLocked()
	} else {
		c.moveLocked(established, nil)
	}
	c.keepLocked()
	return nil
}

// setPeersLocked takes note of where the peer says that it can be dialled.
func (c *Conn) setPeersLocked(a wire.Addresses) {
	c.peerPort, c.peers = a.Port, nil
	if a.Port != 0 {
		c.peers = a.AddrPorts()
	}
}

// candidatesLocked returns where to look for the peer, best first and without repetition: where it has gone since the
// last link; the address that the rock was first connected to, which firewalls let pass; where the peer's last link
// came from; what the peer says. Only a client can use the second: at a server it is its own.
func (c *Conn) candidatesLocked() []netip.AddrPort {
	var list []netip.AddrPort
	add := func(a netip.AddrPort) {
		if dialable(a) && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for _, a := range c.hints {
		add(a)
	}
	if c.role == wire.RoleClient {
		add(c.dialed)
	}
	if c.observed.IsValid() {
		add(netip.AddrPortFrom(c.observed, c.peerPort))
	}
	for _, a := range c.peers {
		add(a)
	}
	return list[:min(len(list), MaxPeers)]
}
