package rocks_test

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/auth"
	"rock/rocks/rockstest"
	"rock/rocks/wire"
)

// deaf makes a host that can be dialled and not dial.
func (w *world) deaf(name, addr string) (*rockstest.Host, *rocks.Endpoint) {
	h := w.net.Host(name, addr)
	e := w.another(h, rocks.Config{})
	h.SetFirewall(nil, rockstest.Ports())
	return h, e
}

// homes returns the endpoints of the two ends of dialAs(server).
func (w *world) homes(server bool) (one, other *rocks.Endpoint) {
	if server {
		return w.server, w.client
	}
	return w.client, w.server
}

// TestForward moves an end to a host that may not dial. Its peer finds it by what the old place says.
func TestForward(t *testing.T) {
	const soon = 300 * time.Millisecond
	leave := map[string]func(c *rocks.Conn, forward func()){
		"before it is gone": func(c *rocks.Conn, forward func()) { forward(); c.Yield() },
		"after it":          func(c *rocks.Conn, forward func()) { c.Yield(); forward() },
		"while it is kept":  func(_ *rocks.Conn, forward func()) { forward() },
	}
	for name, leave := range leave {
		for _, server := range []bool{false, true} {
			t.Run(name+", "+roleName(server), func(t *testing.T) {
				inWorld(t, plan{}, func(t *testing.T, w *world) {
					mover, peer := w.dialAs(server)
					home, _ := w.homes(server)
					w.goesOn(mover, peer, time.Second)
					_, e := w.deaf("c", "10.0.0.3")
					st, err := mover.Seal(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					w.secret(st)
					leave(mover, func() {
						home.Forward(st, []netip.AddrPort{addrPort("10.0.9.9", 9)})
						home.Forward(st, e.Addresses()) // the last one counts
					})
					moved := w.resume(e, copyState(t, st))
					w.goesOn(moved, peer, soon)
				})
			})
		}
	}
}

func roleName(server bool) string {
	if server {
		return "server"
	}
	return "client"
}

// TestForwardBothAtOnce moves both ends in the middle of two streams. Each is told by the other's old place where it is now.
func TestForwardBothAtOnce(t *testing.T) {
	for name, deafened := range map[string]string{"both dial": "", "the client is deaf": "c", "the server is deaf": "d"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				up, down := text{1}, text{2}
				w.write(client, up, 0, 300_000)
				w.write(server, down, 0, 400_000)
				w.read(server, up, 0, 20_000)
				w.read(client, down, 0, 10_000)

				c, d := w.net.Host("c", "10.0.0.3"), w.net.Host("d", "10.0.0.4")
				ce, se := w.another(c, rocks.Config{}), w.another(d, rocks.Config{})
				cs, ss := w.export(client), w.export(server)
				if deaf := map[string]*rockstest.Host{"c": c, "d": d}[deafened]; deaf != nil {
					deaf.SetFirewall(nil, rockstest.Ports())
				}
				w.client.Forward(cs, ce.Addresses())
				w.server.Forward(ss, se.Addresses())
				client, server = w.resume(ce, cs), w.resume(se, ss)
				w.within(5*time.Second, "the rest", func() error {
					w.read(server, up, 20_000, 300_000)
					w.read(client, down, 10_000, 400_000)
					return nil
				})
				w.within(10*time.Second, "talk", func() error { return w.talk(client, server) })
			})
		})
	}
}

// TestForwardEnds brings a rock back to where it was forwarded from.
func TestForwardEnds(t *testing.T) {
	back := map[string]func(w *world, c *rocks.Conn, e *rocks.Endpoint, st *rocks.State) *rocks.Conn{
		"resume": func(w *world, c *rocks.Conn, e *rocks.Endpoint, st *rocks.State) *rocks.Conn {
			c.Yield()
			return w.resume(e, copyState(w.t, st))
		},
		"unseal": func(_ *world, c *rocks.Conn, _ *rocks.Endpoint, _ *rocks.State) *rocks.Conn {
			c.Unseal()
			return c
		},
	}
	for name, back := range back {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				st, err := server.Seal(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.secret(st)
				w.server.Forward(st, []netip.AddrPort{addrPort("10.0.0.3", 77)})
				time.Sleep(time.Minute)
				w.b.SetFirewall(nil, rockstest.Ports()) // it is the client that must not have given up here
				server = back(w, server, w.server, st)
				w.goesOn(client, server, 2*time.Second)
			})
		})
	}
}

// TestForwardLoop has two places send a peer to each other. It is not kept any busier by that than by a peer that
// is away, and goes on when the rock is in one of them again.
func TestForwardLoop(t *testing.T) {
	for _, server := range []bool{false, true} {
		t.Run(roleName(server), func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				mover, peer := w.dialAs(server)
				home, _ := w.homes(server)
				_, e := w.deaf("c", "10.0.0.3")
				st := w.export(mover)
				home.Forward(st, e.Addresses())
				e.Forward(st, home.Addresses())
				first := len(w.net.Wires())
				time.Sleep(time.Minute)
				dials := map[*rockstest.Host]int{}
				for _, wire := range w.net.Wires()[first:] {
					dials[wire.Server]++
				}
				// A round a second and some quick ones, each to at most two ports, with two connections.
				for _, n := range dials {
					if n > 4*75 {
						t.Errorf("%d connections to one place in a minute", n)
					}
				}
				moved := w.resume(e, st)
				w.goesOn(moved, peer, 2*time.Second)
			})
		})
	}
}

// TestForwardAstray has the old place send a peer to ever new addresses, all of them wrong.
func TestForwardAstray(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		st := w.export(client)
		port := w.client.ResumeAddr().Port()
		w.a.SetUp("eth0", false)
		w.state(server, "suspended", 5*time.Second)
		w.a.SetAddr("eth0", "10.0.7.7")
		var asked atomic.Uint32 // a peer may have two connections to one place
		answered := w.impersonate(w.net.Host("e", "10.0.0.1"), port, func(nc net.Conn, _ *wire.Resume, raw []byte) {
			wrong := netip.AddrFrom4([4]byte{10, 1, 0, byte(asked.Add(1))})
			nc.Write(signedMoved(st, raw, wire.Addresses{Port: 9, Addrs: []netip.Addr{wrong}}))
		})
		time.Sleep(time.Minute)
		if n := answered(); n < 30 || n > 90 {
			t.Errorf("the old place was asked %d times in a minute", n)
		}
		w.a.SetUp("eth0", true)
		client = w.resume(w.client, st)
		w.goesOn(client, server, 5*time.Second)
	})
}

// signedMoved is what a client's old place answers to a resume.
func signedMoved(st *rocks.State, resume []byte, to wire.Addresses) []byte {
	keys := auth.Keys{Client: st.ClientKey, Server: st.ServerKey}
	raw := wire.AppendMessage(nil, &wire.Refuse{Reason: wire.ReasonMoved, Versions: wire.Supported(), Addresses: to})
	at := len(raw) - wire.MACSize
	mac := keys.Sum(auth.ClientSide, auth.LabelRefuse, auth.Transcript{}.Add(resume), raw[:at])
	return append(raw[:at], mac[:]...)
}

// TestForwardForged has somebody without the keys, at the old place, send a peer elsewhere. It does not go there.
func TestForwardForged(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		port := w.client.ResumeAddr().Port()
		w.a.SetUp("eth0", false)
		w.state(server, "suspended", 5*time.Second)
		w.a.SetAddr("eth0", "10.0.7.7")
		trap := w.net.Host("trap", "10.6.6.6")
		trap.Serve(99, func(nc net.Conn) { nc.Close() })
		to := wire.Addresses{Port: 99, Addrs: []netip.Addr{netip.MustParseAddr("10.6.6.6")}}
		forged := &rocks.State{ClientKey: rocks.Key{1}, ServerKey: rocks.Key{2}}
		answered := w.impersonate(w.net.Host("e", "10.0.0.1"), port, func(nc net.Conn, _ *wire.Resume, raw []byte) {
			nc.Write(signedMoved(forged, raw, to))
		})
		time.Sleep(time.Minute)
		if answered() < 5 {
			t.Error("nobody asked at the old place")
		}
		for _, wire := range w.net.Wires() {
			if wire.Server == trap {
				t.Fatal("the forger was believed")
			}
		}
		w.a.SetUp("eth0", true)
		w.goesOn(client, server, 5*time.Second)
	})
}

// TestForwardMourner ends a rock whose last words are lost, and moves the end that missed them. It is found and told all the same.
func TestForwardMourner(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		client.Reset()
		time.Sleep(oneWay + oneWay/2) // the goodbye that answers it is on its way
		w.net.Path(w.a, w.b).Cut()
		time.Sleep(5 * time.Second)
		st, err := client.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.secret(st)
		client.Yield()
		_, e := w.deaf("c", "10.0.0.3")
		w.client.Forward(st, e.Addresses())
		w.resume(e, st)
		w.net.Path(w.a, w.b).Heal()
		time.Sleep(5 * time.Second)
		if left := e.Conns(); len(left) > 0 {
			t.Errorf("it was not told: %+v", left[0])
		}
	})
}

// TestAskFollows asks about a State whose peer has moved, more than once.
func TestAskFollows(t *testing.T) {
	for _, server := range []bool{false, true} {
		t.Run(roleName(server), func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				mover, peer := w.dialAs(server)
				home, _ := w.homes(server)
				w.goesOn(mover, peer, time.Second)
				st, own := w.export(mover), w.export(peer)
				asker := w.another(w.net.Host("x", "10.0.1.1"), rocks.Config{})
				at := []*rocks.Endpoint{home}
				for i := range 6 {
					e := w.another(w.net.Host(string(rune('c'+i)), netip.AddrFrom4([4]byte{10, 0, 2, byte(i + 1)}).String()), rocks.Config{})
					at[i].Forward(st, e.Addresses())
					at = append(at, e)
				}
				for _, hops := range []int{1, 4, 5, 6} {
					c := w.resume(at[hops], copyState(t, st))
					err := asker.Ask(t.Context(), copyState(t, own))
					if found := err == nil; found != (hops <= 4) {
						t.Errorf("over %d hops: %v", hops, err)
					}
					again, err := c.Seal(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					c.Yield()
					w.secret(again)
					if hops < 6 {
						at[hops].Forward(st, at[hops+1].Addresses())
					}
				}
				at[6].Forward(st, at[0].Addresses()) // in a ring
				if err := asker.Ask(t.Context(), own); err == nil {
					t.Error("the peer is nowhere, and was found")
				}
			})
		})
	}
}

// TestIntroduce tells a rock where its peer is that has no way to tell.
func TestIntroduce(t *testing.T) {
	for _, server := range []bool{false, true} {
		t.Run(roleName(server), func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				mover, peer := w.dialAs(server)
				w.goesOn(mover, peer, time.Second)
				_, e := w.deaf("c", "10.0.0.3")
				_, other := w.homes(server)
				role := wire.RoleServer
				if server {
					role = wire.RoleClient
				}
				at := e.Addresses()[0]
				before := peer.Info()
				other.Introduce(peer.ID(), role, at)
				other.Introduce(wire.NewID(), role, at)
				if after := peer.Info(); !same(before, after) {
					t.Errorf("a rock with a link has changed from\n%+v to\n%+v", before, after)
				}
				moved := w.resume(e, w.export(mover))
				w.state(peer, "suspended", time.Second)
				time.Sleep(15 * time.Minute) // it looks for its peer only now and then
				other.Introduce(peer.ID(), role.Peer(), at)
				time.Sleep(10 * time.Second)
				if s := peer.Info().State; s != "suspended" {
					t.Errorf("with an introduction of the other end: %s", s)
				}
				other.Introduce(peer.ID(), role, at)
				w.goesOn(moved, peer, 200*time.Millisecond)
			})
		})
	}
}

// TestIntroduceOftenIsOnce introduces an address again and again, at which nobody is.
func TestIntroduceOftenIsOnce(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		w.export(server)
		w.state(client, "suspended", time.Second)
		time.Sleep(time.Minute)
		nobody := w.net.Host("n", "10.0.0.9")
		nobody.Serve(9, func(nc net.Conn) { nc.Close() })
		for range 600 {
			w.client.Introduce(client.ID(), wire.RoleClient, addrPort("10.0.0.9", 9))
			time.Sleep(100 * time.Millisecond)
		}
		n := 0
		for _, wire := range w.net.Wires() {
			if wire.Server == nobody {
				n++
			}
		}
		if n < 50 || n > 2*75 {
			t.Errorf("%d connections in a minute", n)
		}
		if i := client.Info(); i.State != "suspended" {
			t.Errorf("the rock is %s", i.State)
		}
	})
}
