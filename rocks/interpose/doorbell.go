package interpose

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"rock/rocks"
)

// delivery is a connection on its way into accept.
type delivery struct {
	remote netip.AddrPort
	rock   *rocks.Conn // nil for an ordinary connection
	sock   *socket     // of a rock: how the leg is shown
	fd     int         // the socket to hand over; -1 while it is the doorbell itself
	bell   int         // our end of a doorbell that is only that; -1 if none
	onLeg  atomic.Bool // the rock has its leg, and ends with that
	cargo  cargo       // what the leg begins with
	kept   *kept       // record of that, for an heir; nil for none
}

// discard gives a delivery up as the kernel does with connections that nobody
// accepted: by RST.
func (d *delivery) discard() {
	if d.fd >= 0 {
		resetOnClose(d.fd)
		unix.Close(d.fd)
	}
	if d.bell >= 0 {
		unix.Close(d.bell)
	}
	if d.rock != nil && !d.onLeg.Load() {
		_ = d.rock.Reset()
	}
	if d.kept != nil {
		d.kept.free()
	}
}

// enqueue puts a connection in the line for the program.
func (l *listener) enqueue(d *delivery) {
	select {
	case l.line <- d:
	case <-l.ctx.Done():
		d.discard()
	}
}

// usher rings for one connection after the other, never for more than the
// program's backlog at once.
func (l *listener) usher() {
	for l.next() {
		select {
		case l.room <- struct{}{}:
		case resume := <-l.pauses:
			l.rest(resume)
			continue
		case <-l.ctx.Done():
			return
		}
		d := l.head[0]
		l.head = l.head[1:]
		if err := l.deliver(d); err != nil {
			l.ip.log.Debug("connection not delivered", "address", l.publicAddr, "error", err)
			d.discard()
			<-l.room
		}
	}
}

// next waits until a connection is at the head of the line. It returns false when the listener is shut.
func (l *listener) next() bool {
	for len(l.head) == 0 {
		select {
		case d := <-l.line:
			l.head = append(l.head, d)
		case resume := <-l.pauses:
			l.rest(resume)
		case <-l.ctx.Done():
			return false
		}
	}
	return true
}

// deliver rings for d. The doorbell of a rock becomes its leg at once, so that
// the peer's bytes wait for the program as they would in a kernel's queue.
func (l *listener) deliver(d *delivery) error {
	if d.rock != nil && d.sock == nil {
		d.sock = newSocket(0, l.family, d.remote)
		d.sock.settle(addrPortOf(d.rock.LocalAddr()), d.remote, 0)
	}
	bell, err := l.ring(d)
	if err != nil {
		return err
	}
	if bell >= 0 {
		inner, err := tcpConn(bell)
		if err != nil {
			return err
		}
		d.onLeg.Store(true)
		leg := l.ip.newLeg(inner, d.rock, d.sock, d.cargo)
		leg.listener = l.publicCookie
		leg.kept, d.kept = d.kept, nil
		l.ip.start(leg)
		d.cargo = cargo{}
	}
	l.answerCallers()
	return nil
}

// ring connects to the private listener and files d under the connection's
// address, before anybody can accept it. It returns the doorbell if that is
// the leg itself, else -1: a doorbell that is only that may be answered, and
// gone, at any time.
func (l *listener) ring(d *delivery) (int, error) {
	isLeg := d.fd < 0
	family := unix.AF_INET
	if l.private.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := streamSocket(family, unix.SOCK_NONBLOCK)
	if err != nil {
		return -1, err
	}
	l.mu.Lock()
	err = connect(fd, l.private, family)
	at := localAddr(fd)
	if err == nil || errors.Is(err, unix.EINPROGRESS) {
		l.waiting[at] = d
	}
	l.mu.Unlock()
	if errors.Is(err, unix.EINPROGRESS) {
		err = awaitConnected(fd)
	}
	if isLeg && err == nil {
		return fd, nil
	}
	// The program may have set TCP_DEFER_ACCEPT: only a byte makes it ring.
	_ = unix.Sendto(fd, []byte{0}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.waiting[at] != d: // answered already
		unix.Close(fd)
		return -1, nil
	case err != nil:
		delete(l.waiting, at)
		unix.Close(fd)
		return -1, fmt.Errorf("ring private listener %v: %w", l.private, err)
	}
	d.bell = fd
	return -1, nil
}
