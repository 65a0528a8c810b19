package rocks

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// connect joins two ends over a listener of System at local.
func connect(t *testing.T, local string, r Route) (dialed, accepted net.Conn) {
	t.Helper()
	n := System()
	l, err := n.Listen(t.Context(), netip.MustParseAddrPort(local))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	r.Remote = netip.AddrPortFrom(r.Remote.Addr(), port)
	dialed, err = n.Dial(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	accepted, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialed, accepted
}

func TestSystemCarriesMarks(t *testing.T) {
	tests := []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"0.0.0.0:0", "127.0.0.1:0"},
		{"0.0.0.0:0", "[::ffff:127.0.0.1]:0"},
		{"[::]:0", "127.0.0.1:0"},
		{"[::]:0", "[::1]:0"},
		{"[::1]:0", "[::1]:0"},
	}
	for _, tt := range tests {
		for _, mss := range []int{777, 1203, 0} {
			remote := netip.MustParseAddrPort(tt.dial)
			if remote.Addr().Is6() && !remote.Addr().Is4In6() && !hasIPv6(t) {
				continue
			}
			_, accepted := connect(t, tt.listen, Route{Remote: remote, MSS: mss})
			got := System().SYNMSS(accepted)
			if mss != 0 && got != mss {
				t.Errorf("%s to %s: MSS in the SYN is %d, want %d", tt.dial, tt.listen, got, mss)
			}
			if mss == 0 && (got == 0 || got == 777) {
				t.Errorf("%s to %s: MSS in an unmarked SYN is %d", tt.dial, tt.listen, got)
			}
			if again := System().SYNMSS(accepted); again != 0 {
				t.Errorf("asked again: MSS in the SYN is %d, want 0", again)
			}
		}
	}
}

func hasIPv6(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Logf("no IPv6 on this host: %v", err)
		return false
	}
	l.Close()
	return true
}

func TestSystemListensOnOneFamilyIfTold(t *testing.T) {
	l, err := System().Listen(t.Context(), netip.MustParseAddrPort("0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a := netip.MustParseAddrPort(l.Addr().String()); !a.Addr().Is4() {
		t.Errorf("listens on %v, want an IPv4 address", a)
	}
}

func TestSystemDialsFromLocal(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.2")
	r := Route{Local: local, Remote: netip.MustParseAddrPort("127.0.0.1:0")}
	dialed, accepted := connect(t, "127.0.0.1:0", r)
	for _, a := range []net.Addr{dialed.LocalAddr(), accepted.RemoteAddr()} {
		if got := netip.MustParseAddrPort(a.String()); got.Addr() != local || got.Port() == 0 {
			t.Errorf("dialled from %v, want a port of %v", got, local)
		}
	}
}

func TestSystemHalfCloseAndRTT(t *testing.T) {
	dialed, accepted := connect(t, "127.0.0.1:0", Route{Remote: netip.MustParseAddrPort("127.0.0.1:0")})
	if _, err := io.WriteString(dialed, "question"); err != nil {
		t.Fatal(err)
	}
	if err := dialed.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(accepted); string(got) != "question" || err != nil {
		t.Errorf("got %q, error %v", got, err)
	}
	if _, err := io.WriteString(accepted, "answer"); err != nil {
		t.Errorf("the other direction is closed too: %v", err)
	}
	for _, c := range []net.Conn{dialed, accepted} {
		if rtt := System().RTT(c); rtt <= 0 || rtt > time.Minute {
			t.Errorf("round-trip time is %v", rtt)
		}
	}
	dialed.Close()
	if rtt, mss := System().RTT(dialed), System().SYNMSS(dialed); rtt != 0 || mss != 0 {
		t.Errorf("closed connection: round-trip time %v, MSS %d, want 0", rtt, mss)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if rtt, mss := System().RTT(a), System().SYNMSS(a); rtt != 0 || mss != 0 {
		t.Errorf("pipe: round-trip time %v, MSS %d, want 0", rtt, mss)
	}
}

func TestSystemDialErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	remote := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	if _, err := System().Dial(t.Context(), Route{Remote: remote}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: error %v, want ECONNREFUSED", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := System().Dial(ctx, Route{Remote: remote}); err == nil {
		t.Error("dialled with a context that is done")
	}
	foreign := Route{Local: netip.MustParseAddr("192.0.2.77"), Remote: remote}
	if _, err := System().Dial(t.Context(), foreign); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("source address of another host: error %v, want EADDRNOTAVAIL", err)
	}
}

func TestSystemLocalUp(t *testing.T) {
	tests := map[string]bool{
		"127.0.0.1":        true,
		"127.1.2.3":        true,
		"::ffff:127.0.0.1": true,
		"192.0.2.77":       false,
		"2001:db8::77":     false,
	}
	for addr, want := range tests {
		if got := System().LocalUp(netip.MustParseAddr(addr)); got != want {
			t.Errorf("LocalUp(%s) = %v, want %v", addr, got, want)
		}
	}
}

func TestSystemAddrsAreForOthers(t *testing.T) {
	list, err := System().Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is4In6() || !a.IsValid() {
			t.Errorf("Addrs lists %v", a)
		}
		if !System().LocalUp(a) {
			t.Errorf("Addrs lists %v, LocalUp says no", a)
		}
	}
}

// TestDebounce gives events in bursts and counts what is told of them.
func TestDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		source := func(ctx context.Context, changed func()) {
			for range 5 { // one burst: 0 to 4 ms
				changed()
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			for range 30 { // one every 5 ms, without end in sight
				changed()
				time.Sleep(5 * time.Millisecond)
			}
			<-ctx.Done()
		}
		out := make(chan struct{}, 1)
		go debounce(ctx, source, out)

		<-out
		if got := time.Since(start); got != watchWindow {
			t.Errorf("a burst was told after %v, want %v", got, watchWindow)
		}
		<-out
		if got := time.Since(start); got != 1015*time.Millisecond {
			t.Errorf("constant change was told after %v, want 1.015 s", got)
		}
		n := 1
		for range out {
			if n++; n == 10 {
				cancel()
			}
		}
		if got := time.Since(start); got > 1200*time.Millisecond {
			t.Errorf("%d changes were told in %v", n, got)
		}
		cancel()
	})
}

func TestPollingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*pollInterval)
		defer cancel()
		calls := 0
		pollInterfaces()(ctx, func() { calls++ })
		if calls > 1 { // others may change this host's interfaces, but not every second
			t.Errorf("%d changes told of an idle host", calls)
		}
	})
}
