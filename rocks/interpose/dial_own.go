package interpose

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
)

// own connects the program's own socket, with the weak mark in its SYN, and
// asks afterwards whether the peer has rocks.
func (d *dial) own() {
	d.mark(d.firstMSS())
	err := d.connect()
	var rock *rocks.Conn
	if err == nil {
		rock = d.askOwn()
	}
	if rock == nil && d.wasPaused(nil) {
		return
	}
	defer unix.Close(d.program)
	if err != nil {
		d.mark(0)
		d.s.settle(netip.AddrPort{}, netip.AddrPort{}, errnoOf(err, unix.ECONNREFUSED))
		return // whoever waits takes the error and forgets the socket
	}
	if rock == nil || !d.toLeg(rock) {
		d.ip.sockets.forget(d.s)
		d.s.settle(netip.AddrPort{}, netip.AddrPort{}, 0)
	}
}

// firstMSS returns the mark for a first connection. It must survive the clamps
// of routers on the way (PPPoE, tunnels): a server that does not see it gives
// the connection to its program, and that cannot be taken back. An ordinary
// peer loses less than one percent of throughput by it, on this one connection.
func (d *dial) firstMSS() int {
	normal, err := detect.PathMSS(d.remote.Addr())
	if err != nil {
		return 0
	}
	if d.remote.Addr().IsLoopback() {
		return detect.WeakMSS(normal)
	}
	return detect.WeakMSS(min(normal, detect.SafeMSS))
}

// connect connects the program's own socket, as long as somebody waits for it. A shutdown that comes before the
// SYN does nothing, so it is repeated.
func (d *dial) connect() error {
	ended, broken := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(d.ctx, func() {
		defer close(broken)
		for {
			_ = unix.Shutdown(d.program, unix.SHUT_RDWR)
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	err := connect(d.program, d.remote, d.s.family)
	close(ended)
	if !stop() {
		<-broken
	}
	return err
}

// mark sets the MSS of the program's socket for its next SYN.
func (d *dial) mark(mss int) {
	_ = unix.SetsockoptInt(d.program, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss)
}

// askOwn finds out, once the program's own socket is connected, whether the
// peer has rocks, and returns a rock to it if so.
func (d *dial) askOwn() *rocks.Conn {
	ip := d.ip
	announced, verdict := ip.ask(d.ctx, func() bool { return pending(d.program) },
		d.local, d.remote, roundTrip(d.program))
	if verdict != detect.Rock {
		return nil
	}
	if !announced.Held {
		// The mark was lost on the path all the same, so a program has this
		// connection: it is ordinary. The next one will be dialled knowing better.
		ip.log.Info("mark lost on the path, left ordinary", "remote", d.remote)
		return nil
	}
	c, err := ip.hello(d.ctx, d.local, d.remote, announced)
	if err != nil {
		ip.log.Info("rock not established, left ordinary", "remote", d.remote, "error", err)
		return nil
	}
	return c
}

// toLeg moves the program's connected socket over to a leg; false if that is
// not possible any more and the connection stays ordinary.
func (d *dial) toLeg(rock *rocks.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.detached || pending(d.program) {
		_ = rock.Reset()
		return false
	}
	if err := disconnect(d.program); err != nil {
		d.ip.log.Warn("left ordinary", "remote", d.remote, "error", err)
		_ = rock.Reset()
		return false
	}
	d.mark(0)
	inner, err := connectLeg(d.ip.home, d.program, d.s.family)
	if err != nil {
		d.ip.log.Warn("no leg, left ordinary", "remote", d.remote, "error", err)
		_ = rock.Reset()
		err = connect(d.program, d.remote, d.s.family)
		d.s.settle(netip.AddrPort{}, netip.AddrPort{}, errnoOf(err, 0))
		return err != nil
	}
	d.s.settle(addrPortOf(rock.LocalAddr()), d.remote, 0)
	d.ip.carry(inner, rock, d.s, cargo{})
	return true
}
