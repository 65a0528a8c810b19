package interpose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/interpose/tracee"
	"rock/rocks/wire"
)

// Adoption is a group that was restored and whose processes do not run yet: their sockets are on legs, and their
// listeners bound. Exactly one of Carry and Abandon ends it.
type Adoption struct {
	ip        *Interposer
	state     *State
	legs      []*leg
	listeners []*listener
	dials     []*dial
}

// Adopt connects the sockets of the restored processes, which must not run, to the supervisor, and answers
// their calls from now on. After an error nothing of it is left, and the processes must be killed.
func (ip *Interposer) Adopt(st *State) (*Adoption, error) {
	a := &Adoption{ip: ip, state: st, legs: make([]*leg, len(st.Legs))}
	ip.gate.close()
	if err := a.adopt(); err != nil {
		a.Abandon()
		return nil, fmt.Errorf("adopt connections: %w", err)
	}
	ip.outsider.Store(int64(ip.restorer))
	return a, nil
}

func (a *Adoption) adopt() error {
	for i := range a.state.Listeners {
		l, err := a.ip.adoptListener(&a.state.Listeners[i])
		if err != nil {
			return err
		}
		a.listeners = append(a.listeners, l)
	}
	for i := range a.state.Legs {
		l, err := a.ip.adoptLeg(&a.state.Legs[i])
		if err != nil {
			return err
		}
		a.legs[i] = l
	}
	for i := range a.state.Dials {
		d, err := a.ip.adoptDial(&a.state.Dials[i])
		if err != nil {
			return err
		}
		a.dials = append(a.dials, d)
	}
	return a.ip.adoptRest(a.state)
}

// adoptLeg connects a program's socket. For one that the program has closed a closed socket stands in.
func (ip *Interposer) adoptLeg(st *LegState) (*leg, error) {
	s := newSocket(0, st.Family, st.Remote)
	s.settle(st.Local, st.Remote, 0)
	l := ip.newLeg(nil, nil, s, cargo{toPeer: st.ToPeer, toProgram: st.ToProgram, peerFIN: st.PeerFIN, finDue: st.FinDue})
	l.left.Store(st.Left)
	if !st.Place.valid() {
		var err error
		l.inner, err = deadEnd(ip.home)
		return l, err
	}
	inner, err := ip.home.reconnectLeg(st.Place, s, st.Left || st.FinDue, st.NoRead)
	if err != nil {
		return nil, err
	}
	l.inner = inner
	err = ip.onSocket(st.Place, func(fd int, ck uint64) {
		setOptions(fd, st.Options)
		s.cookie = ck
		ip.sockets.put(s)
	})
	if err != nil {
		inner.Close()
		return nil, err
	}
	return l, nil
}

// onSocket calls f with a duplicate of a program's socket, and its cookie.
func (ip *Interposer) onSocket(at Place, f func(fd int, cookie uint64)) error {
	dup, err := tracee.GetFD(at.PID, at.FD)
	if err != nil {
		return err
	}
	defer unix.Close(dup)
	ck, err := cookie(dup)
	if err != nil {
		return fmt.Errorf("identify %v: %w", at, err)
	}
	f(dup, ck)
	return nil
}

// adoptDial puts a socket on hold that the program waits for.
func (ip *Interposer) adoptDial(st *DialState) (*dial, error) {
	dup, err := tracee.GetFD(st.Place.PID, st.Place.FD)
	if err != nil {
		return nil, err
	}
	ck, err := cookie(dup)
	if err == nil {
		_ = disconnect(dup)
		s := newSocket(ck, st.Family, st.Remote)
		d := &dial{ip: ip, s: s, program: dup, remote: st.Remote, local: st.Local, verdict: detect.Unknown}
		if d.hold, err = newHold(ip.home, dup, st.Family); err == nil {
			ip.sockets.put(s)
			return d, nil
		}
	}
	unix.Close(dup)
	return nil, fmt.Errorf("go on with the connect to %v: %w", st.Remote, err)
}

// adoptRest takes note of sockets that need no connection.
func (ip *Interposer) adoptRest(st *State) error {
	for _, f := range st.Failed {
		err := ip.onSocket(f.Place, func(_ int, ck uint64) {
			s := newSocket(ck, f.Family, f.Remote)
			s.settle(netip.AddrPort{}, netip.AddrPort{}, syscall.Errno(f.Errno))
			ip.sockets.put(s)
		})
		if err != nil {
			return err
		}
	}
	for _, at := range st.Bound {
		if err := ip.onSocket(at, func(_ int, ck uint64) { ip.sockets.noteBound(ck) }); err != nil {
			return err
		}
	}
	return nil
}

// Carry resumes the rocks, in the next epoch, and lets everything go on, when who restored the group has ended. A rock that cannot be resumed is
// reset for the program, and the error tells of it.
func (a *Adoption) Carry(ctx context.Context) error {
	a.ip.outsider.Store(0) // it has ended, and its pid may become one of the group's
	a.introduce()
	conns := make([]*rocks.Conn, len(a.state.Rocks))
	var errs []error
	for i, st := range a.state.Rocks {
		c, err := a.ip.endpoint.Resume(ctx, st)
		errs = append(errs, err)
		conns[i] = c
	}
	carrierOf := func(rock int, end string, local, remote netip.AddrPort) carrier {
		if rock >= 0 && conns[rock] != nil {
			return conns[rock]
		}
		if rock >= 0 {
			end = endReset
		}
		return ended(end, net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(remote))
	}
	for i, l := range a.legs {
		st := &a.state.Legs[i]
		l.outer = carrierOf(st.Rock, st.End, st.Local, st.Remote)
		a.ip.start(l)
	}
	for i, l := range a.listeners {
		for _, d := range a.state.Listeners[i].Waiting {
			if c := conns[d.Rock]; c != nil {
				l.head = append(l.head, &delivery{remote: d.Remote, rock: c, fd: -1, bell: -1,
					cargo: cargo{toProgram: d.ToProgram, peerFIN: d.PeerFIN}})
			}
		}
		l.start()
	}
	for _, d := range a.dials {
		d.begin(d.supervised)
	}
	a.ip.gate.open()
	return errors.Join(errs...)
}

// introduce tells the ends of rocks of which the group has both where to find each other: the addresses
// that they know are those of the supervisor before.
func (a *Adoption) introduce() {
	port := a.ip.endpoint.ResumeAddr().Port()
	ends := map[wire.ID]int{}
	for _, st := range a.state.Rocks {
		ends[st.ID]++
	}
	for _, st := range a.state.Rocks {
		if ends[st.ID] > 1 {
			here := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
			st.Peers = append([]netip.AddrPort{here}, st.Peers[:min(len(st.Peers), rocks.MaxPeers-1)]...)
		}
	}
}

// Abandon gives up what Adopt has made: the processes are to be killed, and the State stays good.
func (a *Adoption) Abandon() {
	for _, l := range a.legs {
		if l != nil && l.inner != nil {
			l.inner.Close()
		}
	}
	for _, l := range a.listeners {
		l.shut()
	}
	for _, d := range a.dials {
		d.hold.fail()
	}
}
