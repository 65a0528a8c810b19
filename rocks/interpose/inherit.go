package interpose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/interpose/seccomp"
	"rock/rocks/wire"
)

// Inherit goes on with a group whose supervisor has died: the program's sockets stay on the legs that they are on, rocks are
// resumed, in a higher epoch, and the calls that were not answered are taken up. calls is the seccomp listener and home the group's loopback
// address, before those that the dead one's Progress says. What cannot be gone on with is reset, and the log tells of it.
func Inherit(ctx context.Context, cfg Config, g *Legacy, calls *seccomp.Listener, left *seccomp.Progress, home netip.Addr) (*Interposer, error) {
	ip := newInterposer(cfg)
	ip.home.v4 = home
	ns, err := ownNetns()
	if err != nil {
		return nil, fmt.Errorf("inherit: %w", err)
	}
	ip.netns, ip.diag = ns, diagWorks()
	h := &heir{ip: ip, legacy: g, calls: calls, listeners: map[uint64]*listener{}}
	for _, l := range g.listeners {
		h.listen(l)
	}
	for _, l := range g.legs {
		if err := h.carry(ctx, l); err != nil {
			ip.log.Error("a connection is lost with the supervisor", "remote", l.Remote, "error", err)
		}
	}
	for end, s := range g.rocks {
		if err := h.resume(ctx, s); err != nil {
			ip.log.Error("a rock is lost with the supervisor", "rock", end.id, "error", err)
		}
	}
	for _, d := range g.dials {
		h.dials = append(h.dials, ip.inheritDial(d))
	}
	pending := left.Pending()
	unnoted := h.unnoted(left.Last(), pending)
	ip.startServing(calls)
	h.goOn()
	for _, c := range unnoted {
		ip.proceed(c)
	}
	for _, c := range pending {
		if calls.Valid(c) {
			ip.again(calls.Inherit(c))
		}
	}
	return ip, nil
}

// heir is Inherit while it works.
type heir struct {
	ip        *Interposer
	legacy    *Legacy
	calls     *seccomp.Listener
	listeners map[uint64]*listener // by the cookie of the public socket
	legs      []*leg
	dials     []*dial
}

// listen takes a listener over. Connections that waited for the program to accept them are among its rocks; ordinary ones are
// lost.
func (h *heir) listen(k *keptListener) {
	if ck, err := cookie(k.Public); err != nil || ck != k.PublicCookie {
		h.ip.log.Error("a listener is lost with the supervisor", "private", k.Private, "error", err)
		return
	}
	l := h.ip.listenerOn(k.Public, k.Family, k.Backlog)
	l.publicCookie, l.private, l.privateCookie = k.PublicCookie, k.Private, k.PrivateCookie
	h.ip.sockets.putListener(l)
	h.listeners[k.PublicCookie] = l
}

// carry takes a leg over, and the rock that it carries. After an error both are reset.
func (h *heir) carry(ctx context.Context, k *leftLeg) error {
	s := h.legacy.rocks[k.end()]
	delete(h.legacy.rocks, k.end())
	if k.Inner < 0 {
		return h.recalled(ctx, k, s)
	}
	if ck, err := cookie(k.Inner); err != nil || ck != k.Cookie {
		return errors.Join(fmt.Errorf("its end of the leg is gone (%v)", err), h.reset(ctx, s))
	}
	outer, st, at, err := h.carrierOf(ctx, k, s)
	if outer == nil { // it has ended, and the leg was about to
		if err != nil || !at.ended {
			resetOnClose(k.Inner)
		}
		return errors.Join(err, unix.Close(k.Inner), h.reset(ctx, s))
	}
	inner, err := tcpConn(k.Inner)
	if err != nil {
		return errors.Join(err, outer.Reset())
	}
	if at.reset {
		return errors.Join(outer.Reset(), inner.Close())
	}
	sock := newSocket(k.cookie, k.Family, k.Remote)
	sock.settle(k.Local, k.Remote, 0)
	if k.cookie != 0 {
		h.ip.sockets.put(sock)
	}
	l := h.ip.newLeg(inner, outer, sock, st.cargo)
	l.listener = k.Listener
	l.left.Store(st.left)
	h.legs = append(h.legs, l)
	h.deliver(k, l)
	return nil
}

// carrierOf resumes the rock of a leg, and returns it with where both stood. Of one that has ended only what it had for the program is
// left; nil if that is nothing.
func (h *heir) carrierOf(ctx context.Context, k *leftLeg, s *rocks.Salvage) (carrier, standing, position, error) {
	at, err := positionOf(k.Inner)
	if err = errors.Join(err, k.failed); err != nil || s == nil {
		return nil, standing{}, at, err
	}
	st, err := h.legacy.stand(k, s, at)
	if err != nil {
		return nil, st, at, err
	}
	state, err := s.State(st.written, st.read, h.legacy.estate.Piece)
	if err != nil {
		return nil, st, at, err
	}
	if over, failed := s.Ended(); over {
		end := endFIN
		if failed {
			end = endReset
		}
		st.toProgram = append(st.toProgram, state.Input...)
		return ended(end, net.TCPAddrFromAddrPort(k.Local), net.TCPAddrFromAddrPort(k.Remote)), st, at, nil
	}
	c, err := h.ip.endpoint.Resume(ctx, state)
	if err != nil {
		return nil, st, at, err
	}
	if state.Role == wire.RoleClient {
		h.ip.cache.Put(state.Dialed, detect.Rock) // what else was known of peers will be found out again
	}
	return c, st, at, nil
}

// reset tells the peer of a rock that it cannot be gone on with. A nil one has ended.
func (h *heir) reset(ctx context.Context, s *rocks.Salvage) error {
	if s == nil {
		return nil
	}
	if over, _ := s.Ended(); over {
		return nil
	}
	st, err := s.ResetState()
	if err == nil {
		_, err = h.ip.endpoint.Resume(ctx, st)
	}
	return err
}

// deliver goes on with a leg that the program has not accepted yet, or not got.
func (h *heir) deliver(k *leftLeg, l *leg) {
	at := h.listeners[k.Listener]
	rock, _ := l.outer.(*rocks.Conn)
	if at == nil || rock == nil {
		return
	}
	d := &delivery{remote: k.Remote, rock: rock, sock: l.sock, fd: -1, bell: -1}
	d.onLeg.Store(true)
	switch {
	case k.cookie == 0:
		at.waiting[addrPortOf(l.inner.LocalAddr())] = d
	case k.accepted >= 0 && (k.call == 0 || h.calls.Valid(seccomp.Call{ID: k.call})):
		d.fd = k.accepted
		at.head = append(at.head, d)
	case k.accepted >= 0:
		_ = unix.Close(k.accepted)
	}
}

// recalled goes on with a rock that was in a leg which the program has not accepted, and whose bytes were taken back.
func (h *heir) recalled(ctx context.Context, k *leftLeg, s *rocks.Salvage) error {
	at := h.listeners[k.Listener]
	if s == nil || at == nil {
		return h.reset(ctx, s)
	}
	st, err := h.legacy.stand(k, s, position{})
	if err != nil {
		return err
	}
	state, err := s.State(st.written, st.read, h.legacy.estate.Piece)
	if err != nil {
		return err
	}
	c, err := h.ip.endpoint.Resume(ctx, state)
	if err == nil {
		at.head = append(at.head, &delivery{remote: k.Remote, rock: c, fd: -1, bell: -1, cargo: st.cargo})
	}
	return err
}

// resume goes on with a rock that has no leg: because the program has closed it, and something is still to be delivered; or has not
// been given it yet, since it waits at a listener; or was waiting for it in a connect, which begins anew.
func (h *heir) resume(ctx context.Context, s *rocks.Salvage) error {
	if over, _ := s.Ended(); over {
		return nil
	}
	st, err := s.State(s.Written(), s.Read(), h.legacy.estate.Piece)
	if err != nil {
		return err
	}
	at := h.listenerOf(st)
	if !st.Closed && at == nil {
		return h.reset(ctx, s)
	}
	c, err := h.ip.endpoint.Resume(ctx, st)
	if err == nil && !st.Closed {
		at.head = append(at.head, &delivery{remote: st.Remote, rock: c, fd: -1, bell: -1})
	}
	return err
}

// listenerOf returns the listener that a rock came to.
func (h *heir) listenerOf(st *rocks.State) *listener {
	if st.Role != wire.RoleServer {
		return nil
	}
	for _, l := range h.listeners {
		a := l.publicAddr
		if a == st.Dialed || a.Addr().IsUnspecified() && a.Port() == st.Dialed.Port() {
			return l
		}
	}
	return nil
}

// goOn lets everything run that was taken over.
func (h *heir) goOn() {
	for _, l := range h.listeners {
		for range l.waiting {
			l.room <- struct{}{}
		}
	}
	for _, l := range h.legs {
		h.ip.start(l)
	}
	for _, l := range h.listeners {
		l.start()
	}
	for _, d := range h.dials {
		d.begin(d.supervised)
	}
}
