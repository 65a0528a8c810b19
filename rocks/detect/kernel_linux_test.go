package detect

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/wire"
)

const serverPort = 7

// listen opens a listener in the server that saves SYNs.
func (p *path) listen(t *testing.T) net.Listener {
	t.Helper()
	var listener net.Listener
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return setsockopt(c, unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1)
	}}
	inside(t, p.server, func() (err error) {
		listener, err = config.Listen(context.Background(), "tcp", ":7")
		return err
	})
	t.Cleanup(func() { listener.Close() })
	return listener
}

// dial connects from the client to the server with an MSS, 0 = none set.
func (p *path) dial(t *testing.T, ip netip.Addr, mss int) (net.Conn, error) {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		if mss == 0 {
			return nil
		}
		return setsockopt(c, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss)
	}}
	var conn net.Conn
	var err error
	inside(t, p.client, func() error {
		conn, err = dialer.Dial("tcp", netip.AddrPortFrom(ip, serverPort).String())
		return nil
	})
	return conn, err
}

func (p *path) pathMSS(t *testing.T, ip netip.Addr) int {
	t.Helper()
	var mss int
	inside(t, p.client, func() (err error) {
		mss, err = PathMSS(ip)
		return err
	})
	return mss
}

func setsockopt(c syscall.RawConn, level, option, value int) error {
	var optErr error
	err := c.Control(func(fd uintptr) { optErr = unix.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(err, optErr)
}

// savedMSS reads the MSS back from the SYN of an accepted connection.
func savedMSS(t *testing.T, conn net.Conn) int {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	must(t, err)
	var mss int
	must(t, raw.Control(func(fd uintptr) { mss = SavedMSS(int(fd)) }))
	return mss
}

// TestMarksOnThePath sends each mark over a real path and reads it back from the
// SYN that the server's kernel has saved.
func TestMarksOnThePath(t *testing.T) {
	tests := []struct {
		name       string
		mtu, clamp int
		path4      int // what PathMSS must say
		path6      int
		weak4      bool // whether the weak mark of the path arrives
		weak6      bool
	}{
		{"Ethernet", 1500, 0, 1460, 1440, true, true},
		{"clamp to 1400", 1500, 1400, 1460, 1440, false, false},
		{"clamp to 1360", 1500, 1360, 1460, 1440, false, false},
		{"tunnel", 1420, 0, 1380, 1360, true, true},
		{"tunnel and clamp", 1420, 1360, 1380, 1360, false, true}, // 1363 and 1331
		{"smallest for IPv6", 1280, 0, 1240, 1220, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPath(t, tt.mtu)
			if tt.clamp != 0 {
				p.clamp(t, tt.clamp)
			}
			listener := p.listen(t)
			for _, family := range []struct {
				ip     string
				normal int
				weak   bool
			}{{server4, tt.path4, tt.weak4}, {server6, tt.path6, tt.weak6}} {
				ip := netip.MustParseAddr(family.ip)
				if got := p.pathMSS(t, ip); got != family.normal {
					t.Errorf("PathMSS(%v) = %d, want %d", ip, got, family.normal)
				}
				for _, mss := range []int{0, WeakMSS(family.normal), SafeMSS, ProbeMSS} {
					want := mss
					if mss == 0 {
						want = family.normal
					}
					if tt.clamp != 0 {
						want = min(want, tt.clamp)
					}
					got := p.arrives(t, listener, ip, mss)
					if got != want {
						t.Errorf("%v: MSS %d arrives as %d, want %d", ip, mss, got, want)
					}
					if weak := mss == SafeMSS || mss == WeakMSS(family.normal) && family.weak; IsWeak(got) != weak {
						t.Errorf("%v: MSS %d arrives as %d, weak %v, want %v", ip, mss, got, IsWeak(got), weak)
					}
				}
			}
		})
	}
}

// arrives dials with an MSS and returns the one that the server sees.
func (p *path) arrives(t *testing.T, listener net.Listener, ip netip.Addr, mss int) int {
	t.Helper()
	conn, err := p.dial(t, ip, mss)
	must(t, err)
	defer conn.Close()
	accepted, err := listener.Accept()
	must(t, err)
	defer accepted.Close()
	return savedMSS(t, accepted)
}

// TestProbeOnThePath runs the whole detection over real sockets: with a server that
// has rocks, with ordinary ones, and with none at all.
func TestProbeOnThePath(t *testing.T) {
	p := newPath(t, 1500)
	p.clamp(t, 1400)
	for _, text := range []string{server4, server6} {
		ip := netip.MustParseAddr(text)
		probe := func(what string, want Verdict) wire.Announcement {
			t.Helper()
			dial := func(_ context.Context, mss int) (net.Conn, error) { return p.dial(t, ip, mss) }
			announced, got, err := Probe(t.Context(), dial, 10*time.Millisecond)
			if got != want || err != nil {
				t.Errorf("%v, %s: Probe = %v, %v, want %v", ip, what, got, err, want)
			}
			return announced
		}
		probe("no server", Doubtful)

		p.serving(t, ordinary([]byte("220 ready\r\n")), func() { probe("banner", Ordinary) })
		p.serving(t, ordinary(nil), func() { probe("closing server", Ordinary) })

		held := NewHeld(HeldOptions{})
		decisions := make(chan Decision, 8) // more than there are, so that no server waits
		p.serving(t, guarded(t, held, decisions), func() {
			if probe("rock, nothing held", Rock).Held {
				t.Error("the announcement says that something is held")
			}
			marked, err := p.dial(t, ip, SafeMSS)
			must(t, err)
			defer marked.Close()
			if !probe("rock", Rock).Held {
				t.Error("the announcement says that nothing is held")
			}
			_, err = marked.Write([]byte(wire.Magic))
			must(t, err)
			wantDecision(t, "marked connection", <-decisions, Ours)

			weak, err := p.dial(t, ip, WeakMSS(1460))
			must(t, err)
			defer weak.Close()
			wantDecision(t, "clamped mark", <-decisions, Deliver)

			dropped, err := p.dial(t, ip, SafeMSS)
			must(t, err)
			must(t, dropped.(*net.TCPConn).SetLinger(0))
			must(t, dropped.Close())
			wantDecision(t, "reset", <-decisions, Drop)
		})
		if got := held.Len(); got != 0 {
			t.Errorf("%d connections are still held, want 0", got)
		}
	}
}

// serving runs f while the server serves each connection with a function, and
// waits for all of them.
func (p *path) serving(t *testing.T, serve func(net.Conn), f func()) {
	t.Helper()
	listener := p.listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	f()
	listener.Close()
	wg.Wait()
}

// ordinary sends a banner and reads until the client is done.
func ordinary(banner []byte) func(net.Conn) {
	return func(conn net.Conn) {
		conn.Write(banner)
		io.Copy(io.Discard, conn)
	}
}

// guarded drives a Held as a listener does, and answers probes. It passes on its
// decisions about all other connections.
func guarded(t *testing.T, held *Held, decisions chan<- Decision) func(net.Conn) {
	return func(conn net.Conn) {
		remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		e, d := held.Admit(remote, savedMSS(t, conn), time.Millisecond)
		var got []byte
		for d == Hold {
			conn.SetReadDeadline(e.Deadline())
			buf := make([]byte, 64)
			n, err := conn.Read(buf)
			got = append(got, buf[:n]...)
			switch {
			case n > 0:
				d = e.Bytes(got)
			case errors.Is(err, io.EOF):
				d = e.EOF()
				if d == Hold {
					time.Sleep(time.Until(e.Deadline()))
					d = e.Timer()
				}
			case errors.Is(err, os.ErrDeadlineExceeded):
				d = e.Timer()
			default:
				d = e.Reset()
			}
		}
		if d != Announce {
			decisions <- d
			return
		}
		conn.Write(wire.AppendMessage(nil, &wire.Announcement{Versions: wire.Supported(), Held: e.Held()}))
	}
}
