package interpose

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"rock/rocks/detect"
)

// TestRock joins a supervised client with a supervised server, in all
// combinations of blocking and non-blocking, and checks that what they see is
// what they would see of each other over plain TCP, while a rock carries it.
func TestRock(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, server := range []string{"serve", "serve-nb"} {
			for _, client := range []string{"connect", "connect-nb"} {
				t.Run(fmt.Sprintf("%s to %s on %s", client, server, host), func(t *testing.T) {
					s := supervise(t, server, net.JoinHostPort(host, "0"), "3")
					addr := s.line()
					want := fmt.Sprintf("peer %s\nnamed true\nHELLO named=true err=<nil>\nend after 26 bytes: <nil>\n", addr)
					if client == "connect-nb" {
						want = "connect: operation now in progress\noutcome: errno 0 events: 4\n" +
							"connect again: <nil>\nand again: transport endpoint is already connected\n" + want
					}
					for range 3 {
						c := supervise(t, client, addr, "hello")
						if got := c.all(); got != want {
							t.Errorf("got\n%s\nwant\n%s", got, want)
						}
						c.success()
						if got := c.ip.cache.Get(netip.MustParseAddrPort(addr)); got != detect.Rock {
							t.Errorf("client's verdict on the server is %v, want rock", got)
						}
					}
					if server == "serve-nb" {
						s.expect("left over: 0 resource temporarily unavailable")
					}
					s.stdin.Close()
					s.success()
				})
			}
		}
	}
}

// TestKnownRock connects again and again from one program, so that all but the
// first connect know what to expect.
func TestKnownRock(t *testing.T) {
	s := supervise(t, "serve", "127.0.0.1:0")
	addr := s.line()
	c := supervise(t, "repeat", addr, "10")
	for range 10 {
		c.expect("HELLO named=true err=<nil>")
	}
	c.success()
}

// TestOneShotRock serves one client from a server that closes its listener at
// once; neither probe nor first connection may take the client's place.
func TestOneShotRock(t *testing.T) {
	s := supervise(t, "once", "127.0.0.1:0")
	addr := s.line()
	c := supervise(t, "connect", addr, "hello")
	want := fmt.Sprintf("peer %s\nnamed true\nHELLO named=true err=<nil>\nend after 26 bytes: <nil>\n", addr)
	if got := c.all(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.success()
	c.success()
}

// TestResetCrosses checks that RST stays RST, in both directions.
func TestResetCrosses(t *testing.T) {
	t.Run("server resets", func(t *testing.T) {
		s := supervise(t, "reset", "127.0.0.1:0")
		c := supervise(t, "connect", s.line(), "hello")
		c.line() // peer
		c.line() // named
		c.line()
		c.expect("end after 0 bytes: connection reset by peer")
	})
	t.Run("client resets", func(t *testing.T) {
		s := supervise(t, "told", "127.0.0.1:0")
		c := supervise(t, "abort", s.line())
		s.expect("read: connection reset by peer")
		c.success()
	})
}

// TestForbidden keeps a forbidden peer ordinary, though it has rocks.
func TestForbidden(t *testing.T) {
	s := supervise(t, "serve", "127.0.0.1:0")
	addr := s.line()
	host, err := detect.ParseHost("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	rules := detect.NewRules([]detect.Rule{{Host: host, Action: detect.Forbid}}, nil)
	c := superviseWith(t, Config{Rules: rules}, "connect", addr, "hello")
	c.line()
	c.line()
	c.expect("HELLO named=true err=<nil>")
	if n := len(c.endpoint.Conns()); n != 0 {
		t.Errorf("client has %d rocks to a forbidden peer", n)
	}
}

// TestSharedPort serves from listeners that share a port: first connection and
// probe of a client may reach different ones.
func TestSharedPort(t *testing.T) {
	s := supervise(t, "reuseport", "127.0.0.1:0", "5")
	addr := s.line()
	c := supervise(t, "repeat", addr, "20")
	for range 20 {
		c.expect("HELLO named=true err=<nil>")
	}
	if got := c.ip.cache.Get(netip.MustParseAddrPort(addr)); got != detect.Rock {
		t.Errorf("client's verdict on the server is %v, want rock", got)
	}
	if n := strings.Count(c.log.String(), "rock established"); n != 20 {
		t.Errorf("%d of 20 connections were rocks", n)
	}
	c.success()
}

// TestDeferredAccept serves from listeners with TCP_DEFER_ACCEPT, which show
// connections only when data has come.
func TestDeferredAccept(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when+" listen", func(t *testing.T) {
			s := supervise(t, "deferred", "127.0.0.1:0", when)
			addr := s.line()
			for range 3 {
				if got, want := ask(t, addr, "x"), "X named=true err=<nil>"; got != want {
					t.Errorf("ordinary client is answered %q, want %q", got, want)
				}
				c := supervise(t, "repeat", addr, "1")
				c.expect("HELLO named=true err=<nil>")
				if got := c.ip.cache.Get(netip.MustParseAddrPort(addr)); got != detect.Rock {
					t.Errorf("client's verdict on the server is %v, want rock", got)
				}
				c.success()
			}
		})
	}
}

// TestClosedListener connects to a listener that has just been closed, while
// the supervisor may not have noticed: the client must be refused or reset.
func TestClosedListener(t *testing.T) {
	for range 10 {
		s := supervise(t, "relisten", "127.0.0.1:0")
		addr := s.line()
		c := supervise(t, "await", addr, "hello")
		c.expect("ready")
		s.say("close")
		c.say("go")
		out := c.all()
		if !strings.Contains(out, "connection refused") && !strings.Contains(out, "reset by peer") {
			t.Fatalf("client of a closed listener says\n%s", out)
		}
	}
}

// TestChosenPort connects from a port that the program has chosen: the peer
// must see that port, so the connection stays ordinary; any port will do for a
// rock.
func TestChosenPort(t *testing.T) {
	s := supervise(t, "serve", "127.0.0.1:0")
	addr := s.line()
	chosen := freeAddress(t, "127.0.0.1")
	c := supervise(t, "from", addr, chosen)
	c.expect("from " + chosen)
	c.success()
	if n := strings.Count(c.log.String(), "rock established"); n != 0 {
		t.Error("a connection from a chosen port is on a rock")
	}
	c = supervise(t, "from", addr, "127.0.0.1:0")
	c.line()
	c.success()
	if n := strings.Count(c.log.String(), "rock established"); n != 1 {
		t.Error("a connection from any port is not on a rock")
	}
}

// TestNoRoom connects again and again where one of the supervisors has no descriptors for another rock from some time on: the
// connections are ordinary then.
func TestNoRoom(t *testing.T) {
	const times = 50
	for _, side := range []string{"client", "server"} {
		t.Run(side, func(t *testing.T) {
			s := supervise(t, "serve", "127.0.0.1:0")
			c := supervise(t, "repeat", s.line(), fmt.Sprint(times))
			c.expect("HELLO named=true err=<nil>")
			full := map[string]*group{"client": c, "server": s}[side]
			full.ip.most.Store(1)
			for range times - 1 {
				c.expect("HELLO named=true err=<nil>")
			}
			c.success()
			if n := strings.Count(s.log.String(), "rock established"); n == 0 || n == times {
				t.Errorf("%d of %d connections were rocks, want some", n, times)
			}
		})
	}
}
