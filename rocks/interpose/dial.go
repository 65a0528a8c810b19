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
	"rock/rocks/estate"
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

	work   func()         // what dials: own or supervised
	record *estate.Record // for an heir, while on hold; nil for none

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
	d.keep()
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
	d.unkeep()
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

// errnoOf finds the kernel's error number in err; fallback where there is none.
func errnoOf(err error, fallback syscall.Errno) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return fallback
}
