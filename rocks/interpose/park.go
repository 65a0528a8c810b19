package interpose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/interpose/tracee"
)

// Parked is a leg that has been taken apart: the program's socket is
// unconnected, and what was under way in the leg is here.
type Parked struct {
	Rock      *rocks.Conn // nil for an ordinary connection that is relayed
	PID, FD   int         // a process that has the socket open, and where
	ToPeer    []byte      // sent by the program, not yet in the flight log
	ToProgram []byte      // come from the peer, not yet read by the program
	SentFIN   bool        // the program has shut its sending side down
	GotFIN    bool        // the program has been sent the peer's end

	leg *leg
}

// Interrupt makes all calls that the supervisor holds come again, as the
// kernel does with tasks that are being frozen. It is called while the freezer
// is taking hold: a task in a held call cannot be frozen.
func (ip *Interposer) Interrupt() { ip.waiting.interruptAll() }

// Park takes all legs of the group apart, in place: it drains both directions
// and disconnects the programs' sockets, which stay the same open file
// descriptions. The group's processes, given by pid, must be stopped. After an
// error all legs are as they were, or parked ones have been put together again.
func (ip *Interposer) Park(ctx context.Context, pids []int) ([]*Parked, error) {
	var parked []*Parked
	for _, l := range ip.carried.all() {
		p, err := ip.parkLeg(ctx, l, pids)
		if err != nil {
			return nil, errors.Join(err, ip.Unpark(parked))
		}
		if p != nil {
			parked = append(parked, p)
		}
	}
	return parked, nil
}

// Unpark puts legs together again and lets them carry on. Bytes that were
// drained go first.
func (ip *Interposer) Unpark(parked []*Parked) error {
	var errs []error
	for _, p := range parked {
		errs = append(errs, ip.unparkLeg(p))
	}
	return errors.Join(errs...)
}

// parkLeg returns nil without an error for a leg that has just ended, or whose
// socket no process has open any more.
func (ip *Interposer) parkLeg(ctx context.Context, l *leg, pids []int) (*Parked, error) {
	stopped, err := l.park(ctx)
	if !stopped {
		return nil, err
	}
	p := &Parked{leg: l}
	p.Rock, _ = l.outer.(*rocks.Conn)
	dup, err := p.find(pids)
	if err != nil || dup < 0 {
		l.unpark()
		return nil, err
	}
	defer unix.Close(dup)
	if err := l.drain(dup); err != nil {
		l.unpark()
		return nil, err
	}
	p.ToPeer, p.ToProgram = l.toPeer, l.toProgram
	p.SentFIN, p.GotFIN = l.left.Load() || l.finDue, l.peerFIN
	if err := disconnect(dup); err != nil {
		l.unpark()
		return nil, err
	}
	_ = l.inner.Close()
	return p, nil
}

func (ip *Interposer) unparkLeg(p *Parked) error {
	l := p.leg
	dup, err := tracee.GetFD(p.PID, p.FD)
	if err == nil {
		defer unix.Close(dup)
		l.inner, err = connectLeg(ip.home, dup, l.sock.family)
	}
	if err != nil {
		_ = l.outer.Reset()
		l.unparked <- false
		return fmt.Errorf("reconnect descriptor %d of process %d: %w", p.FD, p.PID, err)
	}
	if p.SentFIN { // disconnecting has made the socket forget
		_ = unix.Shutdown(dup, unix.SHUT_WR)
	}
	l.unpark()
	return nil
}

// park brings both directions to rest. It returns false if the leg has ended.
func (l *leg) park(ctx context.Context) (bool, error) {
	l.parking.Store(true)
	past := time.Unix(1, 0)
	_ = l.inner.SetDeadline(past)
	_ = l.outer.SetReadDeadline(past)
	_ = l.outer.SetWriteDeadline(past)
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
	_ = l.outer.SetReadDeadline(time.Time{})
	_ = l.outer.SetWriteDeadline(time.Time{})
	l.unparked <- true
}

// find looks the program's socket up in the given processes and returns a
// duplicate of it, -1 if none of them has it open.
func (p *Parked) find(pids []int) (int, error) {
	local := p.leg.inner.RemoteAddr().(*net.TCPAddr).AddrPort()
	remote := p.leg.inner.LocalAddr().(*net.TCPAddr).AddrPort()
	inode, err := socketInode(local, remote)
	if errors.Is(err, errNoSocket) || err == nil && inode == 0 {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	want := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || !strings.EqualFold(target, want) {
				continue
			}
			p.PID = pid
			p.FD, _ = strconv.Atoi(e.Name())
			return tracee.GetFD(pid, p.FD)
		}
	}
	return -1, nil
}
