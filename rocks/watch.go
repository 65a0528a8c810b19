package rocks

import (
	"net/netip"
	"slices"

	"rock/rocks/wire"
)

// watch follows the changes of the network until the Endpoint closes.
func (e *Endpoint) watch(changes <-chan struct{}) {
	for range changes {
		e.NetworkChanged()
	}
}

// NetworkChanged makes all rocks look at the network now: those whose local address or interface is gone are
// suspended, other links are asked for a sign of life, suspended rocks try to resume at once, and peers
// are told if the own addresses have changed. The Endpoint calls it after each event of Network.Watch.
func (e *Endpoint) NetworkChanged() {
	changed := e.refreshAddrs()
	e.meetSoon()
	for _, c := range e.conns() {
		c.networkChanged(changed)
	}
}

// networkChanged is NetworkChanged for one rock.
func (c *Conn) networkChanged(addrsChanged bool) {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	up := l != nil && c.e.cfg.Network.LocalUp(addrPort(l.nc.LocalAddr()).Addr())
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.phase == suspended:
		c.redial.now()
	case l == nil || c.link != l:
	case !up:
		c.lostLocked(l, errLocal)
	default:
		l.tellAddrs = l.tellAddrs || addrsChanged
		l.checkLocked()
	}
}

// addresses returns where peers can dial this Endpoint.
func (e *Endpoint) addresses() wire.Addresses {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.own
}

// refreshAddrs looks the own addresses up and reports whether they have changed.
func (e *Endpoint) refreshAddrs() bool {
	listen := e.ResumeAddr()
	var addrs []netip.Addr
	if !listen.Addr().IsUnspecified() {
		addrs = []netip.Addr{listen.Addr().WithZone("")}
	} else {
		all, err := e.cfg.Network.Addrs()
		if err != nil {
			e.log.Warn("own addresses are not known", "err", err)
			return false
		}
		for _, a := range all {
			if !listen.Addr().Is4() || a.Unmap().Is4() {
				addrs = append(addrs, a)
			}
		}
	}
	addrs = addrs[:min(len(addrs), wire.MaxAddrs)]
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := !slices.Equal(addrs, e.own.Addrs)
	e.own = wire.Addresses{Port: listen.Port(), Addrs: addrs}
	return changed
}
