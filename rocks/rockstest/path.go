package rockstest

import (
	"net/netip"
	"time"
)

// A Path is what lies between two hosts, or between two addresses. Where both
// kinds apply a packet has to pass both; latency, bandwidth and MSS are those of
// the addresses' path if it has any, else those of the hosts'.
type Path struct {
	net  *Net
	key  pathKey
	cut  [2]bool // what key.a sends, what key.b sends
	deny bool

	latency, jitter time.Duration
	hasLatency      bool
	bandwidth       int
	mss             int
}

// pathKey has either hosts or addresses.
type pathKey struct {
	a, b         *Host
	addrA, addrB netip.Addr
}

// Path returns the path between two hosts, in either order.
func (n *Net) Path(a, b *Host) *Path {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.paths[pathKey{a: b, b: a}]; p != nil {
		return p
	}
	return n.newPathLocked(pathKey{a: a, b: b})
}

// AddrPath returns the path between two addresses, in either order. It panics
// if one is not an IP address.
func (n *Net) AddrPath(a, b string) *Path {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := pathKey{addrA: netip.MustParseAddr(a), addrB: netip.MustParseAddr(b)}
	if p := n.paths[pathKey{addrA: key.addrB, addrB: key.addrA}]; p != nil {
		return p
	}
	return n.newPathLocked(key)
}

func (n *Net) newPathLocked(key pathKey) *Path {
	p := n.paths[key]
	if p == nil {
		p = &Path{net: n, key: key}
		n.paths[key] = p
	}
	return p
}

// Cut loses silently all that is sent over the path from now on.
func (p *Path) Cut() { p.set(func() { p.cut = [2]bool{true, true} }) }

// CutFrom loses silently what the host a, one of the path's, sends over it.
func (p *Path) CutFrom(a *Host) {
	p.set(func() {
		if p.key.a == a {
			p.cut[0] = true
		} else {
			p.cut[1] = true
		}
	})
}

// Reject is Cut with an answer to the SYN: Dial fails at once with
// EHOSTUNREACH, as where a router knows no way.
func (p *Path) Reject() { p.set(func() { p.cut, p.deny = [2]bool{true, true}, true }) }

// Heal undoes Cut, CutFrom and Reject.
func (p *Path) Heal() { p.set(func() { p.cut, p.deny = [2]bool{}, false }) }

// Reset resets, once, the connections that use the path, at both ends.
func (p *Path) Reset() {
	p.set(func() {
		for _, w := range p.net.wires {
			if p.carriesLocked(w) {
				w.resetLocked()
			}
		}
	})
}

// SetLatency sets the time one way, and up to how much each piece may be late
// beyond it (chosen at random; order is kept).
func (p *Path) SetLatency(latency, jitter time.Duration) {
	p.set(func() { p.latency, p.jitter, p.hasLatency = latency, jitter, true })
}

// SetBandwidth limits each direction of each connection, in bytes per second;
// 0 is no limit.
func (p *Path) SetBandwidth(bytesPerSecond int) { p.set(func() { p.bandwidth = bytesPerSecond }) }

// SetMSS clamps the MSS of every SYN to at most mss, as routers in front of
// tunnels do; 0 is no limit.
func (p *Path) SetMSS(mss int) { p.set(func() { p.mss = mss }) }

func (p *Path) set(f func()) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	f()
}

func (p *Path) carriesLocked(w *Wire) bool {
	c, s := w.client, w.server
	return p.key == pathKey{a: c.host, b: s.host} || p.key == pathKey{a: s.host, b: c.host} ||
		p.key == pathKey{addrA: c.local.Addr(), addrB: s.local.Addr()} ||
		p.key == pathKey{addrA: s.local.Addr(), addrB: c.local.Addr()}
}

// route is what one packet finds: all paths between two ends.
type route struct {
	lost, deny bool
	latency    time.Duration
	jitter     time.Duration
	bandwidth  int
	mss        int
}

// routeLocked returns the way from one host and address to another.
func (n *Net) routeLocked(from *Host, src netip.Addr, to *Host, dst netip.Addr) route {
	if from == to {
		return route{}
	}
	r := route{latency: n.cfg.Latency}
	for _, key := range []pathKey{{a: from, b: to}, {addrA: src, addrB: dst}} {
		way := 0
		p := n.paths[key]
		if p == nil {
			way = 1
			p = n.paths[pathKey{a: key.b, b: key.a, addrA: key.addrB, addrB: key.addrA}]
		}
		if p == nil {
			continue
		}
		r.lost = r.lost || p.cut[way]
		r.deny = r.deny || p.deny
		if p.hasLatency {
			r.latency, r.jitter = p.latency, p.jitter
		}
		if p.bandwidth > 0 {
			r.bandwidth = p.bandwidth
		}
		if p.mss > 0 {
			r.mss = p.mss
		}
	}
	return r
}

// delayLocked is the latency of r for one piece.
func (n *Net) delayLocked(r route) time.Duration {
	if r.jitter > 0 {
		return r.latency + time.Duration(n.rng.Int64N(int64(r.jitter)+1))
	}
	return r.latency
}
