package rocks_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/rockstest"
)

// goesOn checks that the rock carries something in both directions within limit.
func (w *world) goesOn(client, server *rocks.Conn, limit time.Duration) time.Duration {
	w.t.Helper()
	start := time.Now()
	w.within(limit, "go on", func() error {
		return script(noClose{client}, ">ping")
	})
	w.within(limit, "go on", func() error { return script(noClose{server}, "<ping", ">pong") })
	w.within(limit, "go on", func() error { return script(noClose{client}, "<pong") })
	if took := time.Since(start); took > limit {
		w.t.Errorf("went on after %v, want at most %v", took, limit)
	}
	return time.Since(start)
}

// TestAddressChange moves hosts. The host that moves knows it at once, and data flows within
// 300 ms of the change.
func TestAddressChange(t *testing.T) {
	const soon = 300 * time.Millisecond
	tests := map[string]func(w *world, client, server *rocks.Conn){
		"client": func(w *world, client, server *rocks.Conn) {
			w.a.SetAddr("eth0", "10.0.1.1")
			w.goesOn(client, server, soon)
		},
		"server": func(w *world, client, server *rocks.Conn) {
			w.b.SetAddr("eth0", "10.0.2.1")
			w.goesOn(client, server, soon)
		},
		"client, then server": func(w *world, client, server *rocks.Conn) {
			w.a.SetAddr("eth0", "10.0.1.1")
			w.goesOn(client, server, soon)
			w.b.SetAddr("eth0", "10.0.2.1")
			w.goesOn(client, server, soon)
		},
		"back and forth": func(w *world, client, server *rocks.Conn) {
			for range 3 {
				w.a.SetAddr("eth0", "10.0.1.1")
				w.goesOn(client, server, soon)
				w.b.SetAddr("eth0", "10.0.2.1")
				w.goesOn(client, server, soon)
				w.a.SetAddr("eth0", "10.0.0.1")
				w.goesOn(client, server, soon)
				w.b.SetAddr("eth0", "10.0.0.2")
				w.goesOn(client, server, soon)
			}
		},
		"client to IPv6": func(w *world, client, server *rocks.Conn) {
			w.b.SetAddr("eth1", "2001:db8::2")
			time.Sleep(time.Second) // the peer is told
			w.a.SetAddr("eth0", "2001:db8::1")
			w.goesOn(client, server, soon)
		},
		"client without an address for a day": func(w *world, client, server *rocks.Conn) {
			w.a.SetAddr("eth0")
			time.Sleep(24 * time.Hour)
			w.a.SetAddr("eth0", "10.0.1.1")
			w.goesOn(client, server, soon)
		},
		"server without an address for a day": func(w *world, client, server *rocks.Conn) {
			w.b.SetAddr("eth0")
			time.Sleep(24 * time.Hour)
			w.b.SetAddr("eth0", "10.0.2.1")
			w.goesOn(client, server, soon)
		},
		"another interface takes over": func(w *world, client, server *rocks.Conn) {
			w.a.SetAddr("wlan0", "192.168.7.7")
			time.Sleep(time.Second)
			w.a.SetUp("eth0", false)
			w.goesOn(client, server, soon)
			w.a.SetUp("eth0", true)
			w.goesOn(client, server, soon)
		},
	}
	for name, move := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				local, remote := client.LocalAddr().String(), server.RemoteAddr().String()
				time.Sleep(5 * time.Second)
				move(w, client, server)
				if client.LocalAddr().String() != local || server.RemoteAddr().String() != remote {
					t.Errorf("the program sees other addresses: %v and %v", client.LocalAddr(), server.RemoteAddr())
				}
			})
		})
	}
}

// TestNATRebinding lets a router forget the connection, silently or not, and change its own address.
func TestNATRebinding(t *testing.T) {
	for name, reset := range map[string]bool{"silent": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			var nat *rockstest.NAT
			p := plan{before: func(w *world) { nat = w.net.NAT("203.0.113.1", w.a) }}
			inWorld(t, p, func(t *testing.T, w *world) {
				client, server := w.dial()
				w.goesOn(client, server, time.Second)
				nat.Rebind("", reset)
				w.goesOn(client, server, 5*time.Second)
				nat.Rebind("203.0.113.99", reset)
				w.goesOn(client, server, 5*time.Second)
			})
		})
	}
}

// TestOneWayReachability leaves one way in which a connection can be made.
func TestOneWayReachability(t *testing.T) {
	tests := map[string]func(w *world){
		"only the first port of the server": func(w *world) {
			w.a.SetFirewall(rockstest.Ports(), nil)
			w.b.SetFirewall(rockstest.Ports(80), nil)
		},
		"only the server dials": func(w *world) { w.b.SetFirewall(rockstest.Ports(), nil) },
		"the client may not dial out": func(w *world) {
			w.a.SetFirewall(nil, rockstest.Ports())
		},
		"the others refuse": func(w *world) {
			w.a.SetFirewall(func(_, _ netip.AddrPort) rockstest.Verdict { return rockstest.Refuse }, nil)
		},
	}
	for name, restrict := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				restrict(w)
				for range 3 {
					w.net.ResetAll()
					w.goesOn(client, server, 2*time.Second)
				}
				w.net.Path(w.a, w.b).Cut()
				time.Sleep(time.Minute)
				w.net.Path(w.a, w.b).Heal()
				w.goesOn(client, server, 2*time.Second)
			})
		})
	}
}

// TestListenerMayGo checks that a rock lives on when the listener that it came from is closed: the
// server's resume port is left.
func TestListenerMayGo(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		if err := w.ln.Close(); err != nil {
			t.Fatal(err)
		}
		w.net.ResetAll()
		w.goesOn(client, server, 2*time.Second)
	})
}

// TestOrdinaryServerOnTheOldPort puts a server without rocks in the place of the listener. Not a byte of
// ours reaches it.
func TestOrdinaryServerOnTheOldPort(t *testing.T) {
	inWorld(t, plan{net: rockstest.Config{Capture: true}}, func(t *testing.T, w *world) {
		client, server := w.dial()
		if err := w.ln.Close(); err != nil {
			t.Fatal(err)
		}
		first := len(w.net.Wires())
		w.b.Serve(80, func(c net.Conn) {
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Hour))
			c.Read(make([]byte, 1))
		})
		for range 3 {
			w.net.ResetAll()
			w.goesOn(client, server, 2*time.Second)
		}
		w.net.Path(w.a, w.b).Cut()
		time.Sleep(time.Hour)
		w.net.Path(w.a, w.b).Heal()
		w.goesOn(client, server, 3*time.Second)
		for _, wire := range w.net.Wires()[first:] {
			if sent := wire.Sent(rockstest.ToServer); wire.Port == 80 && len(sent) > 0 {
				t.Errorf("the ordinary server got %q", sent)
			}
		}
	})
}

// TestDialOrdinary dials servers without rocks.
func TestDialOrdinary(t *testing.T) {
	tests := map[string]func(net.Conn){
		"silent":       func(c net.Conn) { c.Read(make([]byte, 1)); c.Close() },
		"speaks first": func(c net.Conn) { c.Write([]byte("220 hello\r\n")); c.Read(make([]byte, 1)); c.Close() },
		"closes":       func(c net.Conn) { c.Close() },
		"resets":       func(c net.Conn) { c.(interface{ SetLinger(int) error }).SetLinger(0); c.Close() },
		"never closes": func(c net.Conn) { time.Sleep(time.Hour); c.Close() },
	}
	for name, serve := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{net: rockstest.Config{Capture: true}}, func(t *testing.T, w *world) {
				w.b.Serve(8080, serve)
				c, err := w.client.Dial(t.Context(), "tcp", "10.0.0.2:8080")
				wantIs(t, err, rocks.ErrOrdinary)
				if c != nil {
					t.Error("got a Conn with the error")
				}
				for _, wire := range w.net.Wires() {
					if sent := wire.Sent(rockstest.ToServer); len(sent) > 0 {
						t.Errorf("the ordinary server got %q", sent)
					}
				}
			})
		})
	}
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		if _, err := w.client.Dial(t.Context(), "tcp", "10.0.0.2:9"); err == nil {
			t.Error("dialled a closed port")
		}
		w.net.Path(w.a, w.b).Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := w.client.Dial(ctx, "tcp", "10.0.0.2:80")
		wantIs(t, err, context.DeadlineExceeded)
		if took := time.Since(start); took != time.Second {
			t.Errorf("Dial returned %v after the start of a context of 1 s", took)
		}
	})
}

// TestMarkLost clamps the MSS on the way, so that no mark arrives: the peer counts as ordinary.
func TestMarkLost(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		w.net.Path(w.a, w.b).SetMSS(700)
		_, err := w.client.Dial(t.Context(), "tcp", "10.0.0.2:80")
		wantIs(t, err, rocks.ErrOrdinary)
		w.net.Path(w.a, w.b).SetMSS(detect.SafeMSS)
		w.dial()
	})
}
