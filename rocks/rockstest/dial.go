package rockstest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"rock/rocks"
)

const (
	firstSYNRetry = time.Second
	maxSYNRetries = 6    // tcp_syn_retries
	defaultMSS    = 1460 // Ethernet
)

// Dial connects as the kernel does: it may be refused, find no way, hear
// nothing for about two minutes (ETIMEDOUT), or be ended by ctx.
func (h *Host) Dial(ctx context.Context, r rocks.Route) (net.Conn, error) {
	remote := netip.AddrPortFrom(r.Remote.Addr().Unmap(), r.Remote.Port())
	local, err := h.source(r.Local.Unmap(), remote.Addr())
	for try := 0; err == nil; try++ {
		var e *end
		var again bool
		e, again, err = h.connect(ctx, local, remote, r.MSS)
		if e != nil {
			return e, nil
		}
		if !again {
			break
		}
		if try == maxSYNRetries {
			err = os.NewSyscallError("connect", syscall.ETIMEDOUT)
			break
		}
		err = sleep(ctx, firstSYNRetry<<try)
	}
	return nil, &net.OpError{
		Op: "dial", Net: "tcp", Err: err,
		Source: net.TCPAddrFromAddrPort(local), Addr: net.TCPAddrFromAddrPort(remote),
	}
}

// source returns the address and port to connect from.
func (h *Host) source(local, remote netip.Addr) (netip.AddrPort, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	port := h.portLocked()
	if local.IsValid() {
		if !local.IsLoopback() && h.ifaceLocked(local) == nil {
			return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
		}
		return netip.AddrPortFrom(local, port), nil
	}
	if remote.IsLoopback() || h.ifaceLocked(remote) != nil {
		return netip.AddrPortFrom(remote, port), nil
	}
	for _, i := range h.ifaces {
		for _, a := range i.addrs {
			if i.up && a.Is4() == remote.Is4() {
				return netip.AddrPortFrom(a, port), nil
			}
		}
	}
	return netip.AddrPort{}, os.NewSyscallError("connect", syscall.ENETUNREACH)
}

// connect sends one SYN. It returns the new end, or an error, or that the SYN or
// its answer was lost.
func (h *Host) connect(ctx context.Context, local, remote netip.AddrPort, mss int) (e *end, again bool, err error) {
	h.net.mu.Lock()
	way, to := h.wayLocked(local, remote)
	delay := h.net.delayLocked(way)
	h.net.mu.Unlock()
	if way.deny {
		return nil, false, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	if to == nil {
		return nil, true, nil
	}
	if err := sleep(ctx, delay); err != nil { // the SYN is on its way
		return nil, false, err
	}
	w, verdict := h.arriveSYN(local, remote, mss, to)
	switch verdict {
	case Drop:
		return nil, true, nil
	case Refuse:
		if err := sleep(ctx, delay); err != nil {
			return nil, false, err
		}
		return nil, false, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if h.net.cfg.OnConnect != nil {
		h.net.cfg.OnConnect(w)
	}
	if err := sleep(ctx, delay); err != nil { // the answer is on its way
		return nil, false, err
	}
	return w.establish()
}

// wayLocked returns what is between here and remote, and which host that is;
// nil if the SYN is lost before it gets anywhere.
func (h *Host) wayLocked(local, remote netip.AddrPort) (route, *Host) {
	to := h
	if !remote.Addr().IsLoopback() {
		to = h.net.ownerLocked(remote.Addr())
	}
	if to == nil {
		return route{}, nil
	}
	way := h.net.routeLocked(h, local.Addr(), to, remote.Addr())
	_, passable := between(h, to)
	if way.lost || !passable || !h.upLocked(local.Addr()) || !to.upLocked(remote.Addr()) {
		return way, nil
	}
	return way, to
}

// arriveSYN is what happens at the other host.
func (h *Host) arriveSYN(local, remote netip.AddrPort, mss int, to *Host) (*Wire, Verdict) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	way, still := h.wayLocked(local, remote)
	if still != to || n.closed {
		return nil, Drop
	}
	seen := local // as the other host sees us
	nat, _ := between(h, to)
	if nat != nil {
		seen = nat.mapLocked()
	}
	verdict := max(h.out.judge(local, remote), Pass)
	if verdict == Pass {
		verdict = to.in.judge(seen, remote)
	}
	l := to.listenerLocked(remote, false)
	if verdict == Pass && l == nil {
		verdict = Refuse
	}
	if verdict != Pass {
		return nil, verdict
	}
	if mss == 0 {
		mss = defaultMSS
	}
	if way.mss > 0 {
		mss = min(mss, way.mss)
	}
	w := &Wire{Index: len(n.wires), MSS: mss, Port: remote.Port(), Client: h, Server: to, net: n, nat: nat}
	w.client, w.server = newEnd(w, h, local, remote), newEnd(w, to, remote, seen)
	up, down := &stream{net: n, wire: w, from: w.client, to: w.server}, &stream{net: n, wire: w, from: w.server, to: w.client}
	w.client.out, w.client.in, w.server.out, w.server.in = up, down, down, up
	w.listener = l
	n.wires = append(n.wires, w)
	return w, Pass
}

// establish is what happens when the answer arrives: the dialling end is
// connected, and the last step of the handshake goes before its first byte.
func (w *Wire) establish() (e *end, again bool, err error) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.server.out.fate() != fateArrive {
		w.broken = true
		return nil, true, nil
	}
	w.client.out.push(segment{open: func() {
		if l := w.listener; !l.closed {
			l.queue = append(l.queue, w.server)
			l.ready.Signal()
			return
		}
		w.server.closed = true
		w.server.out.reset()
	}})
	return w.client, false, nil
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
