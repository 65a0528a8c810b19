package rockstest

import "net/netip"

// A NAT stands between some hosts and the rest of the network. Connections from
// inside appear to come from the address of the NAT; none can be made from
// outside. The hosts inside reach each other directly.
type NAT struct {
	net  *Net
	addr netip.Addr // guarded by net.mu
	next uint16
}

// NAT puts hosts behind a new NAT with a public address. It panics if that is
// not an IP address.
func (n *Net) NAT(addr string, inside ...*Host) *NAT {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := &NAT{net: n, addr: netip.MustParseAddr(addr), next: uint16(1024 + n.rng.IntN(20000))}
	for _, h := range inside {
		h.nat = t
	}
	n.nats = append(n.nats, t)
	return t
}

// Rebind forgets all connections, as a NAT that was restarted does, and goes on
// under the given public address, "" for the one it has. With reset the hosts
// inside learn it when they next send something; otherwise all falls silent.
func (t *NAT) Rebind(addr string, reset bool) {
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	if addr != "" {
		t.addr = netip.MustParseAddr(addr)
	}
	for _, w := range t.net.wires {
		if w.nat == t {
			w.forgotten, w.forgetful = true, reset
		}
	}
}

// mapLocked returns the address under which a new connection appears.
func (t *NAT) mapLocked() netip.AddrPort {
	t.next++
	return netip.AddrPortFrom(t.addr, t.next)
}

// between returns the NAT that a connection from one host to another passes,
// and whether it can be made at all.
func between(from, to *Host) (t *NAT, ok bool) {
	if from.nat == to.nat {
		return nil, true
	}
	return from.nat, to.nat == nil
}
