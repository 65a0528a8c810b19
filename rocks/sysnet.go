package rocks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// System returns the Network of the operating system: TCP sockets of the
// network namespace that the calling thread is in when each method is called.
//
// On Linux it sees changes of addresses, links and routes as they happen and
// needs no privilege. Elsewhere marks cannot be set or read, so that
// detection finds no rocks, and changes are seen once a second.
func System() Network { return system{} }

type system struct{}

// Dial sets the MSS before the SYN leaves. Keepalives stay off, since a link
// has heartbeats of its own.
func (system) Dial(ctx context.Context, r Route) (net.Conn, error) {
	d := net.Dialer{
		KeepAlive: -1,
		Control: func(_, _ string, c syscall.RawConn) error {
			return prepareDial(c, r.MSS, r.Local.IsValid())
		},
	}
	if r.Local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.Local.Unmap(), 0))
	}
	return d.DialContext(ctx, "tcp", unmap(r.Remote).String())
}

// Listen listens on IPv4 and IPv6 for [::], and on IPv4 alone if the host has
// no IPv6.
func (system) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	lc := net.ListenConfig{
		KeepAlive: -1,
		Control: func(_, _ string, c syscall.RawConn) error {
			return prepareListen(c)
		},
	}
	// MPTCP, which Go would try first, keeps no SYN for us to read.
	lc.SetMultipathTCP(false)
	local = unmap(local)
	if local.Addr().Is4() {
		return lc.Listen(ctx, "tcp4", local.String()) // "tcp" takes 0.0.0.0 for [::]
	}
	l, err := lc.Listen(ctx, "tcp", local.String())
	if errors.Is(err, syscall.EAFNOSUPPORT) && local.Addr() == netip.IPv6Unspecified() {
		local = netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port())
		return lc.Listen(ctx, "tcp4", local.String())
	}
	return l, err
}

// SYNMSS returns the MSS of the peer's SYN. The kernel gives it out once: a
// second call for the same connection returns 0.
func (system) SYNMSS(c net.Conn) (mss int) {
	withFD(c, func(fd int) { mss = savedMSS(fd) })
	return mss
}

// RTT returns the kernel's smoothed round-trip time.
func (system) RTT(c net.Conn) (rtt time.Duration) {
	withFD(c, func(fd int) { rtt = smoothedRTT(fd) })
	return rtt
}

// withFD calls f with the descriptor of c, if c has one and it is open.
func withFD(c net.Conn, f func(fd int)) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) })
}

// Addrs lists first, of each family, the address that the host would use
// towards the rest of the world, then the others in the kernel's order.
func (system) Addrs() ([]netip.Addr, error) {
	list, err := hostAddrs()
	if err != nil {
		return nil, err
	}
	rank := map[netip.Addr]int{preferred("192.0.2.1:9"): -2, preferred("[2001:db8::1]:9"): -1}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return rank[a] - rank[b] })
	return list, nil
}

// preferred returns the source address that the kernel chooses towards an
// address; the ones asked for are for documentation (RFC 5737, RFC 3849) and
// lie behind any default route. Connecting a UDP socket sends nothing.
func preferred(towards string) netip.Addr {
	c, err := net.Dial("udp", towards)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	a, _ := netip.ParseAddrPort(c.LocalAddr().String())
	return a.Addr().Unmap()
}

// LocalUp also accepts an address that is on no interface but that the
// kernel routes to this host, such as 127.0.0.2 or an AnyIP address.
func (system) LocalUp(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	ifis, err := net.Interfaces()
	if err != nil {
		return true // unknown; heartbeats decide
	}
	for _, ifi := range ifis {
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away since
		}
		if slices.ContainsFunc(addrs, func(n net.Addr) bool { return addrOf(n) == a }) {
			return usable(ifi.Flags)
		}
	}
	return routedHere(a)
}

// CanReach asks the kernel which source address it would use, and whether that
// is on a usable interface.
func (n system) CanReach(remote netip.Addr) bool {
	source := preferred(netip.AddrPortFrom(remote, 9).String())
	return source.IsValid() && n.LocalUp(source)
}

// usable says that an interface is up and, so far as the kernel knows, has a
// carrier.
func usable(f net.Flags) bool { return f&net.FlagUp != 0 && f&net.FlagRunning != 0 }

// addrOf returns the address in what net.Interface.Addrs gives.
func addrOf(a net.Addr) netip.Addr {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	return addr.Unmap()
}

// global reports whether other hosts can be told of a.
func global(a netip.Addr) bool { return a.IsGlobalUnicast() }

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// interfaceAddrs lists the global addresses of usable interfaces.
func interfaceAddrs() ([]netip.Addr, error) {
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, ifi := range ifis {
		if !usable(ifi.Flags) || ifi.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away since
		}
		for _, n := range addrs {
			if a := addrOf(n); global(a) {
				list = append(list, a)
			}
		}
	}
	return list, nil
}
