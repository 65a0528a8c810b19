package rockstest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
)

// A listener has a queue of connections, without bound.
type listener struct {
	host   *Host
	local  netip.AddrPort
	queue  []*end // this and closed are guarded by net.mu
	closed bool
	ready  sync.Cond
}

// Listen listens on one address, or on all for 0.0.0.0 (IPv4 only) and [::]
// (both families). Port 0 chooses one.
func (h *Host) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	a := local.Addr().Unmap()
	switch {
	case ctx.Err() != nil:
		return fail(ctx.Err())
	case h.net.closed:
		return fail(net.ErrClosed)
	case !a.IsUnspecified() && !a.IsLoopback() && h.ifaceLocked(a) == nil:
		return fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	port := local.Port()
	for port == 0 {
		if p := h.portLocked(); h.listenerLocked(netip.AddrPortFrom(a, p), true) == nil {
			port = p
		}
	}
	local = netip.AddrPortFrom(a, port)
	if h.listenerLocked(local, true) != nil {
		return fail(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := &listener{host: h, local: local}
	l.ready.L = &h.net.mu
	h.listeners = append(h.listeners, l)
	return l, nil
}

// portLocked returns the next of the ports that are given out.
func (h *Host) portLocked() uint16 {
	h.nextPort++
	if h.nextPort < 32768 {
		h.nextPort = 32768
	}
	return h.nextPort
}

// listenerLocked returns who listens on dst; with clash also who would if dst
// were listened on.
func (h *Host) listenerLocked(dst netip.AddrPort, clash bool) *listener {
	for _, l := range h.listeners {
		a, b := l.local.Addr(), dst.Addr()
		if l.local.Port() == dst.Port() && (a == b || covers(a, b) || clash && covers(b, a)) {
			return l
		}
	}
	return nil
}

// covers reports whether who listens on a is meant by b too.
func covers(a, b netip.Addr) bool {
	return a == netip.IPv6Unspecified() || a == netip.IPv4Unspecified() && b.Is4()
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.ready.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

// Close resets the connections that nobody has accepted.
func (l *listener) Close() error {
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.closeLocked()
	return nil
}

func (l *listener) closeLocked() {
	l.closed = true
	for _, e := range l.queue {
		e.closed = true
		e.out.reset()
	}
	l.queue = nil
	l.host.listeners = slices.DeleteFunc(slices.Clone(l.host.listeners), func(o *listener) bool { return o == l })
	l.ready.Broadcast()
}

// Addr returns the address that is listened on.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }
