package rockstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"rock/rocks"
)

// watchWindow joins changes, as rocks.System does.
const watchWindow = 10 * time.Millisecond

var _ rocks.Network = (*Host)(nil)

// A Host has interfaces with addresses. It is a rocks.Network.
type Host struct {
	net  *Net
	name string
	nat  *NAT // in front of it, or nil

	ifaces    []*iface // fields from here on are guarded by net.mu
	listeners []*listener
	watchers  []*watcher
	in, out   Firewall
	nextPort  uint16
}

type iface struct {
	name  string
	up    bool
	addrs []netip.Addr
}

type watcher struct {
	ch     chan struct{}
	armed  bool // a value is on its way
	closed bool
}

// Host adds a host with an interface for each address: eth0, eth1 and so on.
// It panics if one is not an IP address.
func (n *Net) Host(name string, addrs ...string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{net: n, name: name, nextPort: uint16(32768 + n.rng.IntN(20000))}
	for i, a := range addrs {
		h.ifaces = append(h.ifaces, &iface{
			name:  fmt.Sprintf("eth%d", i),
			up:    true,
			addrs: []netip.Addr{netip.MustParseAddr(a)},
		})
	}
	n.hosts = append(n.hosts, h)
	return h
}

// String returns the name of the host.
func (h *Host) String() string { return h.name }

// SetAddr gives an interface other addresses than it has, or none, and adds the
// interface if there is none of that name. Watch tells of it.
func (h *Host) SetAddr(name string, addrs ...string) {
	h.change(name, func(i *iface) {
		i.addrs = nil
		for _, a := range addrs {
			i.addrs = append(i.addrs, netip.MustParseAddr(a))
		}
	})
}

// SetUp takes an interface up or down. Watch tells of it.
func (h *Host) SetUp(name string, up bool) {
	h.change(name, func(i *iface) { i.up = up })
}

// Touch makes Watch tell of a change although there is none.
func (h *Host) Touch() {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.changedLocked()
}

func (h *Host) change(name string, f func(*iface)) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	k := slices.IndexFunc(h.ifaces, func(i *iface) bool { return i.name == name })
	if k < 0 {
		k = len(h.ifaces)
		h.ifaces = append(h.ifaces, &iface{name: name, up: true})
	}
	f(h.ifaces[k])
	h.changedLocked()
}

// ifaceLocked returns the interface that has addr, up or down.
func (h *Host) ifaceLocked(addr netip.Addr) *iface {
	for _, i := range h.ifaces {
		if slices.Contains(i.addrs, addr) {
			return i
		}
	}
	return nil
}

func (h *Host) upLocked(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	i := h.ifaceLocked(addr)
	return i != nil && i.up
}

// Addrs returns the addresses of all interfaces that are up, in the order in
// which they were given.
func (h *Host) Addrs() ([]netip.Addr, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	var list []netip.Addr
	for _, i := range h.ifaces {
		if i.up {
			list = append(list, i.addrs...)
		}
	}
	return list, nil
}

// LocalUp reports whether a is on an interface of the host that is up.
func (h *Host) LocalUp(a netip.Addr) bool {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.upLocked(a.Unmap())
}

// CanReach reports whether the host has an address to connect to remote from.
func (h *Host) CanReach(remote netip.Addr) bool {
	_, err := h.source(netip.Addr{}, remote.Unmap())
	return err == nil
}

// Watch tells of SetAddr, SetUp and Touch on this host, 10 ms after the first of
// several. What happens elsewhere, on a path or at a NAT, it does not see.
func (h *Host) Watch(ctx context.Context) (<-chan struct{}, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	w := &watcher{ch: make(chan struct{}, 1)}
	h.watchers = append(h.watchers, w)
	context.AfterFunc(ctx, func() {
		h.net.mu.Lock()
		defer h.net.mu.Unlock()
		w.closed = true
		close(w.ch)
		h.watchers = slices.DeleteFunc(h.watchers, func(o *watcher) bool { return o == w })
	})
	return w.ch, nil
}

func (h *Host) changedLocked() {
	for _, w := range h.watchers {
		if w.armed || w.closed {
			continue
		}
		w.armed = true
		time.AfterFunc(watchWindow, func() {
			h.net.mu.Lock()
			defer h.net.mu.Unlock()
			w.armed = false
			if w.closed {
				return
			}
			select {
			case w.ch <- struct{}{}:
			default:
			}
		})
	}
}

// SYNMSS returns the MSS of the SYN that made c, as it arrived; 0 for the end
// that dialled and for what is no connection of this package.
func (h *Host) SYNMSS(c net.Conn) int {
	if e, ok := c.(*end); ok && e == e.wire.server {
		return e.wire.MSS
	}
	return 0
}

// RTT returns twice the latency of the path of c, without jitter.
func (h *Host) RTT(c net.Conn) time.Duration {
	e, ok := c.(*end)
	if !ok {
		return 0
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	r := h.net.routeLocked(e.host, e.local.Addr(), e.peer().host, e.peer().local.Addr())
	return 2 * r.latency
}

// Serve listens on a port of all addresses and calls handle for each connection on a
// goroutine of its own, as an ordinary server. handle closes the connection. It
// panics if the port is taken.
func (h *Host) Serve(port uint16, handle func(net.Conn)) {
	local := netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	l, err := h.Listen(context.Background(), local)
	if err != nil {
		panic(err)
	}
	h.net.handlers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.net.handlers.Go(func() { handle(c) })
		}
	})
}
