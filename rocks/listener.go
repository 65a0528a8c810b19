package rocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"rock/rocks/detect"
	"rock/rocks/wire"
)

// backlog is how many accepted rocks wait for Listener.Accept.
const backlog = 128

// Listener is a net.Listener whose connections are rocks. Everything else that connects is closed.
type Listener struct {
	e      *Endpoint
	ln     net.Listener
	queue  chan *Conn
	closed context.Context
	close  context.CancelFunc
}

var _ net.Listener = (*Listener)(nil)

// Listen opens a Listener. network is "tcp", "tcp4" or "tcp6", address is host:port as for net.Listen,
// where host is an IP address or empty.
func (e *Endpoint) Listen(ctx context.Context, network, address string) (*Listener, error) {
	local, err := listenAddr(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	ln, err := e.cfg.Network.Listen(ctx, local)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", local, err)
	}
	l := &Listener{e: e, ln: ln, queue: make(chan *Conn, backlog)}
	l.closed, l.close = context.WithCancel(e.ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		ln.Close()
		l.close()
		return nil, ErrEndpointClosed
	}
	e.listeners[l] = struct{}{}
	e.work.Go(func() {
		e.serve(ln, l.deliver)
		l.close()
	})
	return l, nil
}

// listenAddr parses an address to listen on.
func listenAddr(network, address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := net.LookupPort(network, port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip := netip.IPv6Unspecified()
	if network == "tcp4" {
		ip = netip.IPv4Unspecified()
	}
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// deliver queues a new rock for Accept.
func (l *Listener) deliver(c *Conn) {
	select {
	case l.queue <- c:
	case <-l.closed.Done():
		_ = c.Reset()
	}
}

// Accept waits for the next rock. It returns net.ErrClosed when the Listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed.Done():
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close stops listening. Rocks that nobody has accepted are reset, others go on.
func (l *Listener) Close() error {
	l.e.mu.Lock()
	delete(l.e.listeners, l)
	l.e.mu.Unlock()
	l.close()
	err := l.ln.Close()
	for {
		select {
		case c := <-l.queue:
			_ = c.Reset()
		default:
			return err
		}
	}
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// serve accepts connections on ln until it is closed. New rocks go to deliver; without it
// only resumes are taken.
func (e *Endpoint) serve(ln net.Listener, deliver func(*Conn)) {
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) || err != nil && e.ctx.Err() != nil {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: let others finish.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			e.log.Warn("accept failed", "addr", ln.Addr(), "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-e.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		v, ok := e.doorway.enter(nc)
		if !ok {
			nc.Close()
			continue
		}
		e.work.Go(func() {
			defer e.doorway.leave(v)
			e.serveConn(nc, deliver)
		})
	}
}

// serveConn finds out what an accepted connection is for. On a listener of ours every connection is held back,
// marked or not, so a probe always hears that one is.
func (e *Endpoint) serveConn(nc net.Conn, deliver func(*Conn)) {
	stop := context.AfterFunc(e.ctx, func() { nc.Close() })
	defer stop()
	_ = nc.SetDeadline(time.Now().Add(e.cfg.HandshakeTimeout))
	var first [1]byte
	if n, err := nc.Read(first[:]); n == 0 {
		if err == io.EOF && e.cfg.Network.SYNMSS(nc) == detect.ProbeMSS {
			a := e.Announcement(true)
			_, _ = nc.Write(wire.AppendMessage(nil, &a))
		}
		nc.Close()
		return
	}
	if !wire.MayBeMagic(first[:]) {
		nc.Close()
		return
	}
	stop()
	c, err := e.accept(e.ctx, nc, io.MultiReader(bytes.NewReader(first[:]), nc))
	switch {
	case err != nil:
		e.log.Debug("handshake failed", "remote", nc.RemoteAddr(), "err", err)
	case c != nil && deliver != nil:
		deliver(c)
	case c != nil:
		// A hello on the resume listener: nobody listens for new rocks here.
		_ = c.Reset()
	}
}
