package rocks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"rock/rocks/detect"
	"rock/rocks/wire"
)

// errMarkLost says that the peer has rocks but did not recognise the connection as one to hold back:
// the mark in its SYN was changed on the way.
var errMarkLost = errors.New("peer's announcement does not know of the marked connection")

// reach connects to a and makes sure, before a byte is sent, that a rock is there: it dials a marked
// connection and, in parallel, a probe. ErrOrdinary says that the peer has no rocks. Nothing
// was said yet on the connection that it returns.
func (e *Endpoint) reach(ctx context.Context, a netip.AddrPort) (net.Conn, wire.Announcement, error) {
	nc, announced, err := e.reachOnce(ctx, a)
	if errors.Is(err, errMarkLost) {
		nc, announced, err = e.reachOnce(ctx, a)
		if errors.Is(err, errMarkLost) {
			err = fmt.Errorf("%w (%w)", ErrOrdinary, err)
		}
	}
	return nc, announced, err
}

func (e *Endpoint) reachOnce(ctx context.Context, a netip.AddrPort) (net.Conn, wire.Announcement, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := e.dialMarked(ctx, a)
	probe := func(ctx context.Context, mss int) (net.Conn, error) {
		nc, err := e.cfg.Network.Dial(ctx, Route{Remote: a, MSS: mss})
		if err != nil {
			return nil, err
		}
		// The probe speaks, by ending, only once there is something to announce.
		select {
		case <-m.done:
		case <-ctx.Done():
		}
		if m.failed() {
			nc.Close()
			return nil, m.err
		}
		return nc, nil
	}
	announced, verdict, err := detect.Probe(ctx, probe, 0)
	if err != nil {
		cancel()
	}
	<-m.done
	switch {
	case m.err != nil && (err == nil || !errors.Is(m.err, context.Canceled)):
		err = m.err
	case err != nil:
	case verdict != detect.Rock:
		err = ErrOrdinary
	case !announced.Held:
		err = errMarkLost
	default:
		return m.nc, announced, nil
	}
	if m.nc != nil {
		m.nc.Close()
	}
	return nil, announced, fmt.Errorf("reach %v: %w", a, err)
}

// marked is a marked connection that is being dialled.
type marked struct {
	done chan struct{} // closed when nc or err is set
	nc   net.Conn
	err  error
}

// failed reports whether the dial is over and did not succeed.
func (m *marked) failed() bool {
	select {
	case <-m.done:
		return m.err != nil
	default:
		return false
	}
}

func (e *Endpoint) dialMarked(ctx context.Context, a netip.AddrPort) *marked {
	m := &marked{done: make(chan struct{})}
	go func() {
		defer close(m.done)
		m.nc, m.err = e.cfg.Network.Dial(ctx, Route{Remote: a, MSS: detect.SafeMSS})
	}()
	return m
}
