package rocks

import (
	"net/netip"
	"slices"

	"rock/rocks/wire"
)

const (
	// maxHints bounds the addresses that a rock without a link has learned of. Older ones, and those
	// that it had before, keep as much room among the candidates.
	maxHints = MaxPeers / 2
	// maxHops is how often a peer that has moved is followed at once. Two places that send each other's callers back and forth,
	// or around, are tried no more often than any other after that.
	maxHops = 8
)

// Introduce tells an end of a rock that is here, the one with the given role, of another address of its peer. If it
// is suspended and did not know, the peer is looked for there first, at once and from now on until it is
// found. Nothing happens if it has a link, or is not here.
func (e *Endpoint) Introduce(id wire.ID, role wire.Role, at netip.AddrPort) {
	c, _ := e.find(rockKey{id, role})
	if c == nil {
		return
	}
	c.hint([]netip.AddrPort{at}, "peer introduced")
}

// hint has a rock without a link look for its peer at addresses, too, and at once if it did not know one of them. What is logged then
// says who knows them.
func (c *Conn) hint(at []netip.AddrPort, log string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == suspended && c.hintLocked(at...) {
		c.logger.Info(log, append(args, "at", at)...)
		c.redial.now()
	}
}

// followLocked takes in that the peer is elsewhere, as it has proven.
func (c *Conn) followLocked(to wire.Addresses) {
	if c.hintLocked(to.AddrPorts()...) && c.hops < maxHops {
		c.hops++
		c.redial.now()
	}
}

// hintLocked puts addresses of the peer before all others, until there is a link. It reports whether one of them
// was no candidate yet.
func (c *Conn) hintLocked(list ...netip.AddrPort) bool {
	known := c.candidatesLocked()
	unknown := func(a netip.AddrPort) bool { return dialable(a) && !slices.Contains(known, a) }
	if !slices.ContainsFunc(list, unknown) {
		return false
	}
	for _, a := range c.hints {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	c.hints = list[:min(len(list), maxHints)]
	return true
}

// dialable reports whether a is more than the wish for an address.
func dialable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}
