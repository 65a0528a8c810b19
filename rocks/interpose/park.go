package interpose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/interpose/tracee"
)

// parked is a leg at rest, and what was under way in it.
type parked struct {
	leg     *leg
	apart   bool        // the program's socket is unconnected
	queued  []byte      // waits in the program's socket, before the cargo
	rock    *rocks.Conn // nil for an ordinary connection that is relayed
	place   Place       // of the program's socket; zero if no process has it open any more
	noRead  bool        // the program has shut its receiving side down
	end     string      // if the rock has ended: how
	rest    []byte      // then what it still has for the program, behind the cargo
	restFIN bool        // and whether that is all
	options []Option
}

// requestPark tells both directions of a leg to come to rest.
func (l *leg) requestPark() {
	l.parking.Store(true)
	past := time.Unix(1, 0)
	_ = l.inner.SetDeadline(past)
	_ = l.outer.SetReadDeadline(past)
	_ = l.outer.SetWriteDeadline(past)
}

// awaitPark waits until they are. It returns false if the leg has ended.
func (l *leg) awaitPark(ctx context.Context) (bool, error) {
	select {
	case <-l.parked:
		return true, nil
	case <-l.over:
		return false, nil
	case <-ctx.Done():
		go func() { // it will come to rest some time: let it carry on then
			select {
			case <-l.parked:
				l.unpark()
			case <-l.over:
			}
		}()
		return false, fmt.Errorf("park leg of %v: %w", l.sock.remote, ctx.Err())
	}
}

// unpark lets a parked leg carry on.
func (l *leg) unpark() {
	l.parking.Store(false)
	_ = l.inner.SetDeadline(time.Time{})
	l.freeOuter()
	l.unparked <- true
}

// freeOuter lifts the deadlines of requestPark from what carries the leg.
func (l *leg) freeOuter() {
	_ = l.outer.SetReadDeadline(time.Time{})
	_ = l.outer.SetWriteDeadline(time.Time{})
}

// discard ends a parked leg: its cargo goes elsewhere, or is lost.
func (l *leg) discard() {
	_ = l.inner.Close()
	l.freeOuter()
	l.unparked <- false
}

// takeCargo notes what is in a leg that is at rest. The program's socket stays connected, and silent: should the
// program run all the same, it loses nothing. apart says to disconnect it. It returns nil without an
// error if the leg has ended by that.
func (ip *Interposer) takeCargo(ctx context.Context, l *leg, places *census, apart bool) (*parked, error) {
	p := &parked{leg: l, place: places.places[l.sock.cookie], apart: apart}
	p.rock, _ = l.outer.(*rocks.Conn)
	if !p.place.valid() {
		return p.orphan(ctx, ip)
	}
	dup, err := tracee.GetFD(p.place.PID, p.place.FD)
	if err != nil {
		return nil, fmt.Errorf("take what is in the leg of %v: %w", l.sock.remote, err)
	}
	defer unix.Close(dup)
	p.keepParked(ip, dup)
	if err := p.drain(ip, dup); err != nil {
		if errors.Is(err, unix.ECONNRESET) { // by the program, which disconnected the socket
			_ = l.outer.Reset()
			l.discard()
			return nil, nil
		}
		return nil, fmt.Errorf("take what is in the leg of %v: %w", l.sock.remote, err)
	}
	p.options = readOptions(dup, l.sock.family)
	if p.apart {
		p.keepApart(ip)
		if err := disconnect(dup); err != nil {
			return nil, fmt.Errorf("take the leg of %v apart: %w", l.sock.remote, err)
		}
		forgetPort(dup, l.sock.family)
		_ = l.inner.Close()
	}
	p.takeEnd()
	return p, nil
}

// orphan drains a leg whose socket no process has open: what the program wrote before it closed it is
// still on its way.
func (p *parked) orphan(ctx context.Context, ip *Interposer) (*parked, error) {
	l := p.leg
	if inode, err := socketInode(addrPortOf(l.inner.RemoteAddr()), addrPortOf(l.inner.LocalAddr())); err == nil && inode != 0 {
		return nil, fmt.Errorf("the socket connected to %v is in no process of the group: it is being passed over a Unix socket, or a thread has descriptors of its own", l.sock.remote)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.inner.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = l.inner.SetReadDeadline(time.Time{})
	if !l.finDue && !l.left.Load() {
		p.keepParked(ip, -1)
		rest, err := readRest(l.inner, p.saver(ip, drainedLump))
		if errors.Is(err, unix.ECONNRESET) {
			_ = l.outer.Reset()
			l.discard()
			return nil, nil
		}
		l.toPeer = append(l.toPeer, rest...)
		if err != nil {
			return nil, fmt.Errorf("drain closed leg of %v: %w", l.sock.remote, err)
		}
		l.finDue = true
	}
	return p, nil
}

// takeEnd notes how the rock has ended, if it has, and what it still has for the program.
func (p *parked) takeEnd() {
	if p.rock == nil {
		p.end = endReset // an ordinary connection does not outlive this supervisor
		return
	}
	select {
	case <-p.rock.Gone():
	default:
		return
	}
	l := p.leg
	p.end = endFIN
	if !l.peerFIN {
		var err error
		p.rest, err = p.rock.Rest()
		p.restFIN = errors.Is(err, io.EOF)
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ETIMEDOUT) {
			p.end = endReset
		}
	}
}

// readRest reads our end of a leg to the end of the stream. save, if not nil, gets the bytes before they are taken.
func readRest(c *net.TCPConn, save func([]byte)) (rest []byte, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	for {
		var n int
		waitErr := raw.Read(func(fd uintptr) bool {
			n, err = takeFrom(int(fd), buf, save)
			return err != unix.EAGAIN && err != unix.EINTR
		})
		if err = errors.Join(waitErr, err); err != nil || n == 0 {
			return rest, err
		}
		rest = append(rest, buf[:n]...)
	}
}

// putTogether lets the leg carry on, and connects the program's socket to the supervisor again if need be. Bytes
// that were drained go first.
func (ip *Interposer) putTogether(p *parked) error {
	l := p.leg
	if !p.apart || !p.place.valid() {
		l.unpark()
		return nil
	}
	inner, err := ip.home.reconnectLeg(p.place, l.sock, l.left.Load() || l.finDue, p.noRead)
	if err != nil {
		_ = l.outer.Reset()
		l.discard()
		return err
	}
	l.inner = inner
	l.unpark()
	return nil
}

// reconnectLeg connects an unconnected socket of a program to the supervisor and shuts what the program has
// shut: disconnecting has made the socket forget.
func (home legHome) reconnectLeg(at Place, s *socket, noWrite, noRead bool) (inner *net.TCPConn, err error) {
	dup, err := tracee.GetFD(at.PID, at.FD)
	if err != nil {
		return nil, fmt.Errorf("reconnect %v: %w", at, err)
	}
	defer unix.Close(dup)
	_ = disconnect(dup) // a restored one may be shut down (CRIU, tcp-close)
	if inner, err = connectLeg(home, dup, s.family); err != nil {
		return nil, fmt.Errorf("reconnect %v: %w", at, err)
	}
	if noWrite {
		_ = unix.Shutdown(dup, unix.SHUT_WR)
	}
	if noRead {
		_ = unix.Shutdown(dup, unix.SHUT_RD)
	}
	return inner, nil
}
