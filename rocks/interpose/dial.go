package interpose

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/interpose/seccomp"
)

// dial is one connect of the program that the supervisor has taken over.
//
// An address of which nothing is known is connected on the program's own
// socket if that call may block: should it prove ordinary nothing stands
// between them ever after. In all other cases the supervisor connects, while
// the program's socket waits: in the trapped call or, if it may not block or
// does not want to wait any more, in SYN_SENT (see hold).
type dial struct {
	ip      *Interposer
	s       *socket
	program int // our duplicate of the program's socket
	remote  netip.AddrPort
	local   netip.Addr // what the program bound, if anything
	verdict detect.Verdict

	work func() // what dials: own or supervised

	// Set anew by each begin.
	ctx   context.Context // ends when nobody waits for the connection any more
	ended chan struct{}   // closed when work has returned

	mu       sync.Mutex // guards the fields below
	cancel   context.CancelFunc
	hold     *hold
	detached bool // the program may use the socket: it did not wait to the end
	over     bool
	pausing  bool // to be broken off, and begun again
	paused   bool // it was
}

// begin starts to dial.
func (d *dial) begin(work func()) {
	d.work, d.ended = work, make(chan struct{})
	d.mu.Lock()
	d.ctx, d.cancel = context.WithCancel(d.ip.dialing)
	d.over, d.pausing, d.paused = false, false, false
	d.mu.Unlock()
	d.ip.dialling.add(d)
	d.ip.dials.Go(func() {
		defer close(d.ended)
		defer d.giveUp()
		work()
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.paused {
			d.ip.dialling.remove(d)
		}
	})
}

// giveUp breaks the dial off: nobody waits for it any more.
func (d *dial) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancel()
}

// startHeld begins a dial for a non-blocking socket.
func (d *dial) startHeld(c seccomp.Call) bool {
	h, err := newHold(d.ip.home, d.program, d.s.family)
	if err != nil {
		d.ip.log.Warn("left ordinary", "remote", d.remote, "error", err)
		return false
	}
	d.hold = h
	d.ip.sockets.put(d.s)
	d.begin(d.supervised)
	d.ip.fail(c, unix.EINPROGRESS)
	return true
}

// startBlocking begins a dial that the program waits for.
func (d *dial) startBlocking(c seccomp.Call) {
	d.ip.sockets.put(d.s)
	limit := timeoutOption(d.program, unix.SO_SNDTIMEO)
	if d.verdict == detect.Unknown {
		d.begin(d.own)
		d.ip.awaitSettled(c, d.s, 0, d.detach, d.giveUp) // the kernel keeps SO_SNDTIMEO itself
		return
	}
	d.begin(d.supervised)
	d.ip.awaitSettled(c, d.s, limit, d.detachHeld, d.giveUp)
}

// detach notes that the program may be using its own socket now.
func (d *dial) detach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.detached = true
}

// detachHeld puts the socket on hold, for a program that has been called away
// from its blocking connect and may poll the socket from now on.
func (d *dial) detachHeld() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.hold != nil {
		return
	}
	h, err := newHold(d.ip.home, d.program, d.s.family)
	if err != nil {
		d.ip.log.Warn("connect cannot be held", "remote", d.remote, "error", err)
		return
	}
	d.hold = h
}

// supervised dials from a socket of the supervisor's.
func (d *dial) supervised() {
	c, err := d.ip.reach(d.ctx, d.local, d.remote)
	if d.wasPaused(c) {
		return
	}
	if err != nil {
		d.ip.log.Debug("connect failed", "remote", d.remote, "error", err)
		// First the error, then the event that makes the program ask for it.
		d.s.settle(netip.AddrPort{}, netip.AddrPort{}, errnoOf(err, unix.ETIMEDOUT))
		d.abandon()
		return
	}
	local := addrPortOf(c.LocalAddr())
	var inner *net.TCPConn
	if d.hold != nil {
		d.s.settle(local, d.remote, 0)
		inner, err = d.hold.complete()
	} else if inner, err = connectLeg(d.ip.home, d.program, d.s.family); err == nil {
		d.s.settle(local, d.remote, 0)
		unix.Close(d.program)
	}
	if err != nil {
		d.ip.log.Warn("no leg", "remote", d.remote, "error", err)
		_ = c.Reset()
		d.s.settle(netip.AddrPort{}, netip.AddrPort{}, unix.ECONNABORTED)
		if d.hold == nil {
			unix.Close(d.program)
		}
		return
	}
	d.ip.carry(inner, c, d.s, cargo{})
}

// wasPaused notes that the supervisor's part of the dial is over, and reports whether that is because the dial
// is to be paused. What it has reached then is worth keeping only if it is a rock: an ordinary
// connection may be one for lack of time to ask.
func (d *dial) wasPaused(c carrier) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, isRock := c.(*rocks.Conn)
	d.paused = d.pausing && !isRock
	d.over = !d.paused
	if d.paused && c != nil {
		_ = c.Close()
	}
	return d.paused
}

// abandon lets the program's socket go after a failed dial.
func (d *dial) abandon() {
	if d.hold != nil {
		d.hold.fail()
		return
	}
	unix.Close(d.program)
}

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

// connect connects the program's own socket, as long as somebody waits for it.
func (d *dial) connect() error {
	broken := make(chan struct{})
	stop := context.AfterFunc(d.ctx, func() {
		defer close(broken)
		_ = unix.Shutdown(d.program, unix.SHUT_RDWR)
	})
	err := connect(d.program, d.remote, d.s.family)
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

// errnoOf finds the kernel's error number in err; fallback where there is none.
func errnoOf(err error, fallback syscall.Errno) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return fallback
}
