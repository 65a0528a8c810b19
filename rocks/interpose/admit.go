package interpose

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/detect"
	"rock/rocks/wire"
)

// marked are the connections now held back, by the port that they came to: a
// first connection and its probe may reach different listeners that share a
// port (SO_REUSEPORT).
type marked struct {
	mu     sync.Mutex
	byPort map[uint16]*detect.Held
}

// heldOn returns the registry of a port.
func (ip *Interposer) heldOn(port uint16) *detect.Held {
	m := &ip.marked
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byPort == nil {
		m.byPort = map[uint16]*detect.Held{}
	}
	if m.byPort[port] == nil {
		m.byPort[port] = detect.NewHeld(detect.HeldOptions{Hold: ip.hold})
	}
	return m.byPort[port]
}

// admit decides what an accepted connection is. Unmarked ones go to the
// program at once; the others are watched by a goroutine until they have shown
// what they are.
func (l *listener) admit(fd int, remote netip.AddrPort) {
	if l.abandoned() { // the program has just closed its listener: as if we had, too
		resetOnClose(fd)
		unix.Close(fd)
		return
	}
	if !l.ip.full(fd) {
		entry, decision := l.held.Admit(remote.Addr(), detect.SavedMSS(fd), roundTrip(fd))
		if decision == detect.Hold {
			l.work.Go(func() { l.watch(fd, remote, entry) })
			return
		}
	}
	l.enqueue(&delivery{remote: remote, fd: fd, bell: -1})
}

// roundTrip returns the kernel's smoothed round-trip time, 0 if unknown.
func roundTrip(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Rtt) * time.Microsecond
}

// watch holds a marked connection back until the gate has decided. It looks at
// the bytes without taking them, so that an ordinary connection goes to the
// program as it came.
func (l *listener) watch(fd int, remote netip.AddrPort, entry *detect.Entry) {
	f := os.NewFile(uintptr(fd), "held connection")
	defer f.Close()
	defer entry.Release()
	stop := context.AfterFunc(l.ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	decision := detect.Hold
	for seen := 0; decision == detect.Hold; {
		select {
		case <-l.ctx.Done():
			resetOnClose(fd)
			return
		default:
		}
		_ = f.SetReadDeadline(entry.Deadline())
		if l.ctx.Err() != nil {
			continue // shut since, and the deadline that it set is gone
		}
		var event func() detect.Decision
		event, seen = peek(f, entry, seen)
		decision = event()
	}
	l.enter(f, remote, entry, decision)
}

// peek waits for more than seen bytes, an end, an error or the read deadline.
// After an end of the stream only the deadline can bring news that peeking
// shows, besides a reset.
func peek(f *os.File, entry *detect.Entry, seen int) (func() detect.Decision, int) {
	raw, err := f.SyscallConn()
	if err != nil {
		return entry.Reset, seen
	}
	var n int
	buf := make([]byte, wire.MagicSize)
	waitErr := raw.Read(func(s uintptr) bool {
		n, _, err = unix.Recvfrom(int(s), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		for err == unix.EINTR {
			n, _, err = unix.Recvfrom(int(s), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		}
		switch {
		case err == unix.EAGAIN:
			return false
		case err != nil:
			return true
		case n == 0:
			return seen != atEnd
		}
		return n != seen
	})
	switch {
	case errors.Is(waitErr, os.ErrDeadlineExceeded):
		return entry.Timer, seen
	case waitErr != nil || err != nil:
		return entry.Reset, seen
	case n == 0:
		return entry.EOF, atEnd
	}
	return func() detect.Decision { return entry.Bytes(buf[:n]) }, n
}

// atEnd stands for "the end was seen" among numbers of bytes seen.
const atEnd = -1

// enter carries a decision out.
func (l *listener) enter(f *os.File, remote netip.AddrPort, entry *detect.Entry, d detect.Decision) {
	switch d {
	case detect.Deliver:
		fd, err := detach(f)
		if err != nil {
			l.ip.log.Warn("held connection lost", "error", err)
			return
		}
		l.enqueue(&delivery{remote: remote, fd: fd, bell: -1})
	case detect.Announce:
		l.announce(f, entry.Held())
	case detect.Ours:
		l.greet(f)
	}
}

// detach returns a descriptor of the same connection that is not the Go
// runtime's.
func detach(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	ctlErr := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 3) })
	return fd, errors.Join(ctlErr, err)
}

// announce answers a probe.
func (l *listener) announce(f *os.File, held bool) {
	_ = f.SetWriteDeadline(time.Now().Add(handshakeTime))
	announcement := l.ip.endpoint.Announcement(held)
	b := wire.AppendMessage(nil, &announcement)
	if _, err := f.Write(b); err != nil {
		l.ip.log.Debug("probe not answered", "error", err)
	}
}

// greet gives a connection that begins with the magic to the endpoint.
func (l *listener) greet(f *os.File) {
	fd, err := detach(f)
	if err != nil {
		return
	}
	nc, err := tcpConn(fd)
	if err != nil {
		return
	}
	if !l.ip.gate.pass(l.ctx) {
		nc.Close()
		return
	}
	rock, err := l.ip.endpoint.Accept(l.ctx, nc)
	if err != nil {
		l.ip.log.Info("handshake failed", "remote", nc.RemoteAddr(), "error", err)
	}
	if rock != nil {
		l.enqueue(&delivery{remote: addrPortOf(rock.RemoteAddr()), rock: rock, fd: -1, bell: -1})
	}
}
