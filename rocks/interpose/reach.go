package interpose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/wire"
)

// errSpoke ends a probe: bytes came on the first connection, so it has been
// delivered to a program and is ordinary.
var errSpoke = errors.New("the server speaks on the first connection")

// ask probes the peer of a first connection, which is connected already and of
// which spoke tells whether bytes came. The verdict is remembered; a probe that
// could not be made counts as ordinary this time.
func (ip *Interposer) ask(ctx context.Context, spoke func() bool, local netip.Addr, remote netip.AddrPort, rtt time.Duration) (wire.Announcement, detect.Verdict) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		for ctx.Err() == nil {
			if spoke() {
				cancel(errSpoke)
				return
			}
			select {
			case <-time.After(2 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	announced, verdict, err := detect.Probe(ctx, func(ctx context.Context, mss int) (net.Conn, error) {
		return ip.network.Dial(ctx, rocks.Route{Local: local, Remote: remote, MSS: mss})
	}, rtt)
	if errors.Is(context.Cause(ctx), errSpoke) && verdict != detect.Rock {
		verdict = detect.Ordinary
	}
	cancel(nil)
	<-listening
	if verdict == detect.Unknown {
		ip.log.Debug("peer not probed", "remote", remote, "error", err)
		return announced, detect.Ordinary
	}
	ip.log.Debug("peer probed", "remote", remote, "verdict", verdict, "held", announced.Held)
	ip.cache.Put(remote, verdict)
	if verdict == detect.Doubtful {
		verdict = detect.Ordinary
	}
	return announced, verdict
}

// reach connects to a peer from a socket of the supervisor's: by a rock if the
// peer has them, else by an ordinary connection that is relayed. The error is
// the dial's own, with the kernel's errno.
func (ip *Interposer) reach(ctx context.Context, local netip.Addr, remote netip.AddrPort) (carrier, error) {
	first, announced, verdict, err := ip.first(ctx, local, remote)
	if err != nil {
		return nil, err
	}
	// If the mark was lost on the path a program has this connection already:
	// it is ordinary then, whatever the server could do.
	if verdict == detect.Rock && announced.Held {
		c, err := ip.rockOn(ctx, first, remote, announced)
		if err == nil {
			return c, nil
		}
		ip.log.Info("rock not established, left ordinary", "remote", remote, "error", err)
		first.Close()
		return ip.plain(ctx, local, remote)
	}
	return asOrdinary(first)
}

// first makes a first connection with a mark that survives most paths, and
// probes its peer.
func (ip *Interposer) first(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, wire.Announcement, detect.Verdict, error) {
	nc, err := ip.network.Dial(ctx, rocks.Route{Local: local, Remote: remote, MSS: detect.SafeMSS})
	if err != nil {
		return nil, wire.Announcement{}, detect.Unknown, err
	}
	announced, verdict := ip.ask(ctx, func() bool { return spoken(nc) }, local, remote, ip.network.RTT(nc))
	return nc, announced, verdict, nil
}

// hello dials a peer whose announcement was just read and establishes a rock.
func (ip *Interposer) hello(ctx context.Context, local netip.Addr, remote netip.AddrPort, announced wire.Announcement) (*rocks.Conn, error) {
	nc, err := ip.network.Dial(ctx, rocks.Route{Local: local, Remote: remote, MSS: detect.SafeMSS})
	if err != nil {
		return nil, err
	}
	c, err := ip.rockOn(ctx, nc, remote, announced)
	if err != nil {
		nc.Close()
	}
	return c, err
}

// rockOn establishes a rock on a connection. Programs look names up themselves; but if a rule knows the peer by a name, the rock is told.
func (ip *Interposer) rockOn(ctx context.Context, nc net.Conn, remote netip.AddrPort, announced wire.Announcement) (*rocks.Conn, error) {
	c, err := ip.endpoint.DialOn(ctx, nc, announced)
	if err != nil {
		return nil, err
	}
	if name := ip.rules.Name(remote); name != "" {
		c.DialledBy("tcp", net.JoinHostPort(name, strconv.Itoa(int(remote.Port()))))
	}
	return c, nil
}

// plain makes an ordinary connection without a mark.
func (ip *Interposer) plain(ctx context.Context, local netip.Addr, remote netip.AddrPort) (carrier, error) {
	nc, err := ip.network.Dial(ctx, rocks.Route{Local: local, Remote: remote})
	if err != nil {
		return nil, err
	}
	return asOrdinary(nc)
}

func asOrdinary(nc net.Conn) (carrier, error) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return nil, fmt.Errorf("relay ordinary connection: %T is not TCP", nc)
	}
	return &ordinary{TCPConn: tcp}, nil
}

// spoken reports whether a connection of ours has something to read.
func spoken(nc net.Conn) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	is := true // a closed connection has spoken its last
	_ = raw.Control(func(fd uintptr) { is = pending(int(fd)) })
	return is
}
