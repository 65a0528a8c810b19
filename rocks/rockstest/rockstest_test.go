package rockstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"rock/rocks"
	"rock/rocks/rockstest"
)

const latency = 10 * time.Millisecond

var port80 = netip.MustParseAddrPort("10.0.0.2:80")

// pair connects host a to port 80 of host b.
func pair(t *testing.T, a, b *rockstest.Host) (client, server net.Conn) {
	t.Helper()
	l, err := b.Listen(t.Context(), netip.MustParseAddrPort("[::]:80"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = a.Dial(t.Context(), rocks.Route{Remote: port80})
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// inBubble runs f with two hosts in a synctest bubble. All connections are gone
// when f returns.
func inBubble(t *testing.T, cfg rockstest.Config, f func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Latency == 0 {
			cfg.Latency = latency
		}
		n := rockstest.New(cfg)
		defer n.Close()
		f(t, n, n.Host("a", "10.0.0.1", "2001:db8::1"), n.Host("b", "10.0.0.2", "2001:db8::2"))
	})
}

func TestNettest(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := rockstest.New(rockstest.Config{})
		a, b := n.Host("a", "10.0.0.1"), n.Host("b", "10.0.0.2")
		c1, c2 = pair(t, a, b)
		return c1, c2, n.Close, nil
	})
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func wantAfter(t *testing.T, what string, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("%s after %v, want %v", what, got, want)
	}
}

func TestLatencyAndMarks(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		start := time.Now()
		l, err := b.Listen(t.Context(), netip.MustParseAddrPort("10.0.0.2:0"))
		if err != nil {
			t.Fatal(err)
		}
		remote := netip.MustParseAddrPort(l.Addr().String())
		client, err := a.Dial(t.Context(), rocks.Route{Remote: remote, MSS: 777})
		if err != nil {
			t.Fatal(err)
		}
		wantAfter(t, "connected", start, 2*latency)
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wantAfter(t, "accepted", start, 3*latency)
		if got := b.SYNMSS(server); got != 777 {
			t.Errorf("MSS of the SYN is %d, want 777", got)
		}
		if got := a.RTT(client); got != 2*latency {
			t.Errorf("RTT is %v, want %v", got, 2*latency)
		}
		n.Path(a, b).SetMSS(536)
		if _, err := a.Dial(t.Context(), rocks.Route{Remote: remote, MSS: 1203}); err != nil {
			t.Fatal(err)
		}
		clamped, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := b.SYNMSS(clamped); got != 536 {
			t.Errorf("clamped MSS is %d, want 536", got)
		}
	})
}

func TestBandwidthAndBuffers(t *testing.T) {
	cfg := rockstest.Config{SendBuffer: 1000, ReceiveBuffer: 1000}
	inBubble(t, cfg, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		n.Path(a, b).SetBandwidth(1000)
		client, server := pair(t, a, b)
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			_, err := client.Write(make([]byte, 3000))
			if err != nil {
				t.Error(err)
			}
			done <- time.Since(start)
		}()
		time.Sleep(time.Minute)
		select {
		case <-done:
			t.Error("3000 bytes fit into two buffers of 1000")
		default:
		}
		if _, err := io.ReadFull(server, make([]byte, 3000)); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got < time.Minute {
			t.Errorf("written after %v", got)
		}
	})
}

func TestCutIsSilentAndHeals(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		client, server := pair(t, a, b)
		n.Path(b, a).Cut()
		start := time.Now()
		if _, err := io.WriteString(client, "late"); err != nil {
			t.Fatal(err)
		}
		if err := server.SetReadDeadline(start.Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		_, err := server.Read(buf)
		wantErr(t, "cut", err, os.ErrDeadlineExceeded)
		wantAfter(t, "deadline", start, 5*time.Second)
		n.Path(a, b).Heal()
		server.SetReadDeadline(time.Time{})
		if _, err := io.ReadFull(server, buf); err != nil || string(buf) != "late" {
			t.Fatalf("read %q, error %v", buf, err)
		}
		// Sent again 0.2, 0.6, 1.4, 3.0 and 6.2 s after it was first lost.
		wantAfter(t, "arrived", start, latency+6200*time.Millisecond)
	})
}

func TestCutForGoodTimesOut(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		client, _ := pair(t, a, b)
		n.Path(a, b).CutFrom(a)
		start := time.Now()
		if _, err := io.WriteString(client, "lost"); err != nil {
			t.Fatal(err)
		}
		_, err := client.Read(make([]byte, 1))
		wantErr(t, "read", err, syscall.ETIMEDOUT)
		if d := time.Since(start); d < 13*time.Minute || d > 20*time.Minute {
			t.Errorf("timed out after %v, want about 15 minutes", d)
		}
		_, err = a.Dial(t.Context(), rocks.Route{Remote: port80})
		wantErr(t, "dial", err, syscall.ETIMEDOUT)
	})
}

func TestOneWayCut(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		client, server := pair(t, a, b)
		n.Path(a, b).CutFrom(a)
		if _, err := io.WriteString(server, "still"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
			t.Error(err)
		}
	})
}

func TestReset(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		client, server := pair(t, a, b)
		if _, err := io.WriteString(client, "before"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * latency)
		n.Path(a, b).Reset()
		for _, c := range []net.Conn{client, server} {
			got, err := io.ReadAll(c)
			wantErr(t, "read", err, syscall.ECONNRESET)
			if c == server && string(got) != "before" {
				t.Errorf("read %q before the reset", got)
			}
			_, err = c.Write([]byte("x"))
			wantErr(t, "write", err, syscall.ECONNRESET)
		}
	})
}

func TestAddressChange(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		ctx, cancel := context.WithCancel(t.Context())
		changed, err := a.Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		client, server := pair(t, a, b)
		start := time.Now()
		a.SetAddr("eth0", "10.0.0.77")
		a.SetUp("eth1", false)
		<-changed
		wantAfter(t, "change told", start, 10*time.Millisecond)
		if a.LocalUp(netip.MustParseAddr("10.0.0.1")) || a.LocalUp(netip.MustParseAddr("2001:db8::1")) {
			t.Error("an address that is gone or down counts as up")
		}
		addrs, _ := a.Addrs()
		if len(addrs) != 1 || addrs[0] != netip.MustParseAddr("10.0.0.77") {
			t.Errorf("addresses are %v", addrs)
		}
		server.SetReadDeadline(time.Now().Add(time.Minute))
		io.WriteString(client, "x")
		_, err = server.Read(make([]byte, 1))
		wantErr(t, "old connection", err, os.ErrDeadlineExceeded)

		// Who takes the address knows nothing of the connection.
		n.Host("c", "10.0.0.1")
		io.WriteString(server, "x")
		_, err = server.Read(make([]byte, 1))
		if server.SetReadDeadline(time.Time{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		_, err = server.Read(make([]byte, 1))
		wantErr(t, "address moved", err, syscall.ECONNRESET)
		cancel()
		if _, ok := <-changed; ok {
			t.Error("a second value")
		}
	})
}

func TestFirewallAndReject(t *testing.T) {
	inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
		b.Serve(80, func(c net.Conn) { c.Close() })
		b.Serve(81, func(c net.Conn) { c.Close() })
		b.SetFirewall(rockstest.Ports(80), nil)
		port81 := netip.MustParseAddrPort("10.0.0.2:81")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.Dial(ctx, rocks.Route{Remote: port80}); err != nil {
			t.Errorf("open port: %v", err)
		}
		_, err := a.Dial(ctx, rocks.Route{Remote: port81})
		wantErr(t, "dropped", err, context.DeadlineExceeded)
		b.SetFirewall(func(_, _ netip.AddrPort) rockstest.Verdict { return rockstest.Refuse }, nil)
		_, err = a.Dial(t.Context(), rocks.Route{Remote: port80})
		wantErr(t, "refused", err, syscall.ECONNREFUSED)
		b.SetFirewall(nil, nil)
		n.Path(a, b).Reject()
		_, err = a.Dial(t.Context(), rocks.Route{Remote: port80})
		wantErr(t, "rejected", err, syscall.EHOSTUNREACH)
		n.Path(a, b).Heal()
		a.SetUp("eth0", false)
		_, err = a.Dial(t.Context(), rocks.Route{Remote: port80})
		wantErr(t, "no interface", err, syscall.ENETUNREACH)
	})
}

func TestNAT(t *testing.T) {
	for _, reset := range []bool{false, true} {
		inBubble(t, rockstest.Config{}, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
			nat := n.NAT("203.0.113.1", a)
			client, server := pair(t, a, b)
			got := netip.MustParseAddrPort(server.RemoteAddr().String()).Addr()
			if got != netip.MustParseAddr("203.0.113.1") {
				t.Errorf("the server sees %v", got)
			}
			a.Serve(80, func(c net.Conn) { c.Close() })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := b.Dial(ctx, rocks.Route{Remote: netip.MustParseAddrPort("10.0.0.1:80")})
			wantErr(t, "dial inwards", err, context.DeadlineExceeded)

			nat.Rebind("203.0.113.2", reset)
			io.WriteString(client, "x")
			client.SetReadDeadline(time.Now().Add(time.Minute))
			_, err = client.Read(make([]byte, 1))
			if want := map[bool]error{false: os.ErrDeadlineExceeded, true: syscall.ECONNRESET}[reset]; !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			_, server = pair(t, a, b)
			got = netip.MustParseAddrPort(server.RemoteAddr().String()).Addr()
			if got != netip.MustParseAddr("203.0.113.2") {
				t.Errorf("after rebinding the server sees %v", got)
			}
		})
	}
}

func TestCutAfter(t *testing.T) {
	for _, how := range []rockstest.Cut{rockstest.Silence, rockstest.Reset} {
		for _, d := range []rockstest.Direction{rockstest.ToServer, rockstest.ToClient} {
			for after := range int64(12) {
				cfg := rockstest.Config{Capture: true, OnConnect: func(w *rockstest.Wire) { w.CutAfter(d, after, how) }}
				inBubble(t, cfg, func(t *testing.T, n *rockstest.Net, a, b *rockstest.Host) {
					testCutAfter(t, n, a, b, d, after, how)
				})
			}
		}
	}
}

func testCutAfter(t *testing.T, n *rockstest.Net, a, b *rockstest.Host, d rockstest.Direction, after int64, how rockstest.Cut) {
	const text = "0123456789"
	from, to := pair(t, a, b)
	if d == rockstest.ToClient {
		from, to = to, from
	}
	if _, err := io.WriteString(from, text); err != nil && after > 0 {
		t.Fatal(err)
	}
	to.SetReadDeadline(time.Now().Add(time.Hour))
	got, err := io.ReadAll(to)
	want := text[:min(after, int64(len(text)))]
	if string(got) != want || string(n.Wires()[0].Sent(d)) != want {
		t.Errorf("%v cut by %v after %d: read %q", d, how, after, got)
	}
	if how == rockstest.Reset && after <= int64(len(text)) {
		wantErr(t, "end", err, syscall.ECONNRESET)
	} else {
		wantErr(t, "end", err, os.ErrDeadlineExceeded)
	}
}

// TestLikeTheKernel runs the same steps on this network and on the system's.
func TestLikeTheKernel(t *testing.T) {
	n := rockstest.New(rockstest.Config{Latency: time.Millisecond})
	defer n.Close()
	for name, network := range map[string]rocks.Network{"memory": n.Host("a", "127.0.0.1"), "system": rocks.System()} {
		t.Run(name, func(t *testing.T) { testNetwork(t, network) })
	}
}

type tcpConn interface {
	net.Conn
	CloseWrite() error
	CloseRead() error
	SetLinger(int) error
}

func testNetwork(t *testing.T, network rocks.Network) {
	l, err := network.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddrPort(l.Addr().String())
	connect := func() (tcpConn, tcpConn) {
		c, err := network.Dial(t.Context(), rocks.Route{Remote: local, MSS: 1203})
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(); s.Close() })
		return c.(tcpConn), s.(tcpConn)
	}

	c, s := connect()
	if got := network.SYNMSS(s); got != 1203 {
		t.Errorf("MSS is %d, want 1203", got)
	}
	if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != l.Addr().String() {
		t.Errorf("addresses: %v to %v, accepted from %v", c.LocalAddr(), c.RemoteAddr(), s.RemoteAddr())
	}

	// Half-close: the other direction goes on.
	io.WriteString(c, "question")
	c.CloseWrite()
	if got, err := io.ReadAll(s); string(got) != "question" || err != nil {
		t.Errorf("half-close: read %q, error %v", got, err)
	}
	_, err = c.Write([]byte("x"))
	wantErr(t, "write after CloseWrite", err, syscall.EPIPE)
	io.WriteString(s, "answer")
	s.Close()
	if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
		t.Errorf("half-close: read %q, error %v", got, err)
	}
	_, err = s.Read(make([]byte, 1))
	wantErr(t, "read after Close", err, net.ErrClosed)

	// Closing with unread input resets; so does linger 0.
	for _, how := range []func(c, s tcpConn){
		func(c, s tcpConn) { io.WriteString(c, "unread"); io.ReadFull(s, make([]byte, 2)); s.Close() },
		func(c, s tcpConn) { s.SetLinger(0); s.Close() },
	} {
		c, s := connect()
		how(c, s)
		_, err = c.Read(make([]byte, 1))
		wantErr(t, "reset", err, syscall.ECONNRESET)
	}

	// Sending to an end that is closed resets.
	c, s = connect()
	s.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("peer closed: error %v, want EOF", err)
	}
	for err = nil; err == nil; {
		_, err = c.Write([]byte("x"))
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write to a closed end: error %v", err)
	}

	// CloseRead ends reading here and nothing there.
	c, s = connect()
	c.CloseRead()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read after CloseRead: error %v, want EOF", err)
	}
	big := bytes.Repeat([]byte("x"), 1<<10)
	if _, err := s.Write(big); err != nil {
		t.Errorf("write to an end that does not read: %v", err)
	}

	_, err = network.Listen(t.Context(), local)
	wantErr(t, "port taken", err, syscall.EADDRINUSE)
	l.Close()
	_, err = network.Dial(t.Context(), rocks.Route{Remote: local})
	wantErr(t, "refused", err, syscall.ECONNREFUSED)
	_, err = l.Accept()
	wantErr(t, "accept after Close", err, net.ErrClosed)
	_, err = network.Dial(t.Context(), rocks.Route{Remote: local, Local: netip.MustParseAddr("192.0.2.1")})
	wantErr(t, "foreign source", err, syscall.EADDRNOTAVAIL)
	_, err = network.Listen(t.Context(), netip.MustParseAddrPort("192.0.2.1:0"))
	wantErr(t, "foreign address", err, syscall.EADDRNOTAVAIL)
}
