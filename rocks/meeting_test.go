package rocks_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/rendezvous"
	"rock/rocks/rockstest"
)

// meeting is a world with a rendezvous on a third host, and two endpoints that know of it.
type meeting struct {
	*world
	r      *rockstest.Host
	server *rendezvous.Server
}

func (w *world) meeting(store rendezvous.Store) (m *meeting, client, server *rocks.Conn) {
	w.t.Helper()
	m = &meeting{world: w, r: w.net.Host("r", "10.0.0.9")}
	m.open(store)
	known := func(h *rockstest.Host) rocks.Config {
		return rocks.Config{Rendezvous: &rendezvous.Client{Dial: func(ctx context.Context) (net.Conn, error) {
			return h.Dial(ctx, rocks.Route{Remote: netip.MustParseAddrPort("10.0.0.9:7625")})
		}}}
	}
	c, s := w.another(w.a, known(w.a)), w.another(w.b, known(w.b))
	ln, err := s.Listen(w.t.Context(), "tcp", ":90")
	if err != nil {
		w.t.Fatal(err)
	}
	if client, err = c.Dial(w.t.Context(), "tcp", "10.0.0.2:90"); err != nil {
		w.t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	return m, client, nc.(*rocks.Conn)
}

// open starts the server.
func (m *meeting) open(store rendezvous.Store) {
	m.t.Helper()
	l, err := m.r.Listen(m.t.Context(), netip.MustParseAddrPort("[::]:7625"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.server = rendezvous.NewServer(rendezvous.ServerConfig{Store: store})
	s := m.server
	go func() {
		if err := s.Serve(l); err != nil {
			m.t.Error(err)
		}
	}()
}

// bothMove gives both ends another address while neither has a network.
func (m *meeting) bothMove(client, server *rocks.Conn) {
	m.a.SetUp("eth0", false)
	m.b.SetUp("eth0", false)
	m.state(client, "suspended", 5*time.Second)
	m.state(server, "suspended", 5*time.Second)
	time.Sleep(time.Minute)
	m.a.SetAddr("eth0", "10.0.7.1")
	m.b.SetAddr("eth0", "10.0.7.2")
	m.a.SetUp("eth0", true)
	m.b.SetUp("eth0", true)
}

// TestMeeting has both ends move while they are apart. They find each other by the word that they leave.
func TestMeeting(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		m, client, server := w.meeting(rendezvous.NewMemory(10))
		defer m.server.Close()
		m.goesOn(client, server, time.Second)
		m.bothMove(client, server)
		t.Logf("went on after %v", m.goesOn(client, server, 3*time.Second))
		time.Sleep(time.Minute)
		if conns, pairs := m.server.Now(); conns != 0 || pairs != 0 {
			t.Errorf("ends that have met have %d connections and %d pairs", conns, pairs)
		}
	})
}

// TestNoMeeting shows that it is the rendezvous that does it: here there is none.
func TestNoMeeting(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		(&meeting{world: w}).bothMove(client, server)
		time.Sleep(time.Hour)
		if s := client.Info().State; s != "suspended" {
			t.Errorf("the rock is %s", s)
		}
	})
}

// TestMeetingLate has the rendezvous gone when both move, and come back with nothing of what it knew.
func TestMeetingLate(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		m, client, server := w.meeting(rendezvous.NewMemory(10))
		m.goesOn(client, server, time.Second)
		m.server.Close()
		m.bothMove(client, server)
		time.Sleep(time.Minute)
		m.open(rendezvous.NewMemory(10))
		defer m.server.Close()
		m.goesOn(client, server, 20*time.Second)
	})
}

// TestMeetingRelay has two ends that cannot reach each other at all any more, though both reach the rendezvous. It connects them, and
// they go on so until they can.
func TestMeetingRelay(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		m, client, server := w.meeting(rendezvous.NewMemory(10))
		defer m.server.Close()
		m.goesOn(client, server, time.Second)
		m.net.Path(m.a, m.b).Cut()
		m.state(client, "suspended", 5*time.Second)
		t.Logf("went on after %v", m.goesOn(client, server, 10*time.Second))
		for range 60 {
			m.goesOn(client, server, time.Second)
			time.Sleep(time.Second)
		}
		if _, pairs := m.server.Now(); pairs != 1 {
			t.Errorf("%d pairs are connected, want 1", pairs)
		}
		m.net.Path(m.a, m.r).Cut() // nothing is left
		m.state(client, "suspended", 5*time.Second)
		m.net.Path(m.a, m.r).Heal()
		m.goesOn(client, server, 40*time.Second)
	})
}
