package rocks_test

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rock/rocks"
)

// export takes the rock out of c and through its serialized form.
func (w *world) export(c *rocks.Conn) *rocks.State {
	w.t.Helper()
	st, err := c.Export(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.secret(st)
	b, err := st.MarshalBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	var again rocks.State
	if err := again.UnmarshalBinary(b); err != nil {
		w.t.Fatal(err)
	}
	return &again
}

func (w *world) resume(e *rocks.Endpoint, st *rocks.State) *rocks.Conn {
	w.t.Helper()
	c, err := e.Resume(w.t.Context(), st)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// copyState returns st as another reader of the same image gets it.
func copyState(t *testing.T, st *rocks.State) *rocks.State {
	t.Helper()
	b, err := st.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var again rocks.State
	if err := again.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return &again
}

// TestExportAndGoOn takes a rock out in the middle of a transfer and goes on elsewhere.
func TestExportAndGoOn(t *testing.T) {
	tests := map[string]struct {
		server bool // which end moves
		away   bool // to another host
		both   bool // the other end moves too, before it has heard of the first
	}{
		"client in place":   {},
		"server in place":   {server: true},
		"client to c":       {away: true},
		"server to c":       {server: true, away: true},
		"both in place":     {both: true},
		"client to c, both": {away: true, both: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				up, down := text{1}, text{2}
				w.write(client, up, 0, 50_000)
				w.write(server, down, 0, 60_000)
				w.read(server, up, 0, 20_000)
				w.read(client, down, 0, 10_000)
				w.net.Path(w.a, w.b).Cut() // leaves something in flight
				w.write(client, up, 50_000, 70_000)
				w.write(server, down, 60_000, 80_000)
				local, remote := client.LocalAddr().String(), server.LocalAddr().String()

				c := w.net.Host("c", "10.0.0.3")
				home := map[bool]*rocks.Endpoint{false: w.client, true: w.server}
				if tt.away {
					home[tt.server] = w.another(c, rocks.Config{})
				}
				if moved := (map[bool]*rocks.Conn{false: client, true: server})[tt.server]; tt.server {
					server = w.resume(home[true], w.export(moved))
				} else {
					client = w.resume(home[false], w.export(moved))
				}
				if tt.both && tt.server {
					client = w.resume(home[false], w.export(client))
				} else if tt.both {
					server = w.resume(home[true], w.export(server))
				}
				w.net.Path(w.a, w.b).Heal()
				if client.LocalAddr().String() != local || server.LocalAddr().String() != remote {
					t.Errorf("the programs see other addresses: %v, %v", client.LocalAddr(), server.LocalAddr())
				}
				w.within(10*time.Second, "the rest", func() error {
					w.read(server, up, 20_000, 70_000)
					w.read(client, down, 10_000, 80_000)
					return nil
				})
				w.goesOn(client, server, time.Second)
				if e := client.Info().Epoch + server.Info().Epoch; e != 3 && !tt.both || tt.both && e != 4 {
					t.Errorf("the epochs are %d and %d", client.Info().Epoch, server.Info().Epoch)
				}
			})
		})
	}
}

// write and read move a part of a text.
func (w *world) write(c *rocks.Conn, x text, from, to int) {
	w.t.Helper()
	b := make([]byte, to-from)
	x.fill(b, uint64(from))
	if _, err := c.Write(b); err != nil {
		w.t.Error(err)
	}
}

func (w *world) read(c *rocks.Conn, x text, from, to int) {
	w.t.Helper()
	b := make([]byte, to-from)
	if _, err := io.ReadFull(c, b); err != nil {
		w.t.Error(err)
	} else if err := x.check(b, uint64(from)); err != nil {
		w.t.Error(err)
	}
}

// TestExportCarriesTheEnding exports what has already ended in some way, lets time pass, and goes on.
func TestExportCarriesTheEnding(t *testing.T) {
	tests := map[string]struct {
		before func(c, peer *rocks.Conn)
		want   string
		err    error
	}{
		"half-close": {func(c, _ *rocks.Conn) { io.WriteString(c, "all"); c.CloseWrite() }, "all", nil},
		"close":      {func(c, _ *rocks.Conn) { io.WriteString(c, "all"); c.Close() }, "all", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				w.suspendedBoth(client, server)
				tt.before(client, server)
				st := w.export(client)
				time.Sleep(time.Hour)
				w.net.Path(w.a, w.b).Heal()
				w.resume(w.client, st)
				server.SetReadDeadline(time.Now().Add(10 * time.Second))
				got, err := io.ReadAll(server)
				if string(got) != tt.want || err != tt.err {
					t.Errorf("read %q, error %v", got, err)
				}
				server.Close()
			})
		})
	}
}

// TestExportKeepsTheTimeLimit resumes a State after its time.
func TestExportKeepsTheTimeLimit(t *testing.T) {
	inWorld(t, plan{config: rocks.Config{Timeout: time.Hour}}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.suspendedBoth(client, server)
		time.Sleep(50 * time.Minute)
		st := w.export(client)
		time.Sleep(50 * time.Minute)
		c, err := w.client.Resume(t.Context(), st)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		wantIs(t, err, rocks.ErrTimeLimit)
	})
}

// TestExported checks what is left of a Conn that was exported.
func TestExported(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		st := w.export(client)
		_, err := client.Write([]byte("x"))
		wantIs(t, err, rocks.ErrExported)
		_, err = client.Read(make([]byte, 1))
		wantIs(t, err, rocks.ErrExported)
		if _, err = client.Export(t.Context()); err == nil {
			t.Error("exported twice")
		}
		// The peer was not told: it waits, for as long as its limit allows.
		time.Sleep(10 * time.Hour)
		if s := server.Info().State; s != "suspended" {
			t.Errorf("the peer is %s, want suspended", s)
		}
		client = w.resume(w.client, st)
		w.goesOn(client, server, 5*time.Second)
	})
}

// TestStaleEpoch resumes copies of a State that was already resumed. Only the newest one owns the rock;
// the others get a reset with a reason.
func TestStaleEpoch(t *testing.T) {
	for _, serverMoves := range []bool{false, true} {
		inWorld(t, plan{}, func(t *testing.T, w *world) {
			mover, peer := w.dial()
			home := w.client
			if serverMoves {
				mover, peer, home = peer, mover, w.server
			}
			w.goesOn(mover, peer, time.Second)
			st := w.export(mover)
			owner := w.resume(home, copyState(t, st))
			w.goesOn(owner, peer, time.Second)

			// A second copy of the same image: same epoch, another incarnation.
			c := w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{})
			thief := w.resume(c, copyState(t, st))
			thief.SetReadDeadline(time.Now().Add(time.Minute))
			_, err := thief.Read(make([]byte, 1))
			wantIs(t, err, rocks.ErrStaleEpoch)
			wantReset(t, err)
			w.goesOn(owner, peer, time.Second)

			// The owner moves on; who held the rock before has a lower epoch now.
			st2 := w.export(owner)
			d := w.another(w.net.Host("d", "10.0.0.4"), rocks.Config{})
			owner2 := w.resume(d, copyState(t, st2))
			w.goesOn(owner2, peer, 5*time.Second)
			old := w.resume(c, copyState(t, st))
			old.SetReadDeadline(time.Now().Add(time.Minute))
			_, err = old.Read(make([]byte, 1))
			wantIs(t, err, rocks.ErrStaleEpoch)
			w.goesOn(owner2, peer, time.Second)
		})
	}
}

func wantReset(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("error %v does not say that the connection was reset", err)
	}
	var reset *rocks.ResetError
	if !asReset(err, &reset) {
		t.Errorf("error %v is no ResetError", err)
	}
}

// TestLiveOwnerAgainstCopy resumes a copy while the original, which was never told, still has a link.
func TestLiveOwnerAgainstCopy(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		st := w.export(client)
		owner := w.resume(w.client, copyState(t, st))
		w.state(owner, "established", time.Second)
		w.state(server, "established", time.Second)
		newer := copyState(t, st)
		newer.Epoch++ // as of a copy of a copy
		c := w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{})
		next := w.resume(c, newer)
		w.goesOn(next, server, 5*time.Second)
		owner.SetReadDeadline(time.Now().Add(time.Minute))
		_, err := owner.Read(make([]byte, 1))
		wantIs(t, err, rocks.ErrStaleEpoch)
		w.goesOn(next, server, time.Second)
	})
}

// TestRolledBack resumes a State that is older than what the peer knows, in a higher epoch so that the epoch
// alone does not refuse it. The peer stays as it was and goes on with the right one.
func TestRolledBack(t *testing.T) {
	tests := map[string]func(w *world, client, server *rocks.Conn){
		"the peer has consumed more than was sent": func(w *world, client, server *rocks.Conn) {
			w.write(client, text{1}, 0, 5000)
			w.read(server, text{1}, 0, 5000)
		},
		"the peer has dropped what would be missing": func(w *world, client, server *rocks.Conn) {
			w.write(server, text{1}, 0, 5000)
			w.read(client, text{1}, 0, 5000)
		},
		"the end of the stream was told": func(w *world, client, server *rocks.Conn) {
			client.CloseWrite()
			server.Read(make([]byte, 1))
		},
	}
	for name, progress := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				old := w.export(client)
				client = w.resume(w.client, copyState(t, old))
				w.state(client, "established", 5*time.Second)
				progress(w, client, server)
				time.Sleep(time.Second)
				st := w.export(client)
				before := server.Info()

				old.Epoch = st.Epoch
				rolled := w.resume(w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{}), old)
				rolled.SetReadDeadline(time.Now().Add(time.Minute))
				_, err := rolled.Read(make([]byte, 1))
				wantIs(t, err, rocks.ErrRolledBack)
				wantReset(t, err)
				after := server.Info()
				if after.Sent != before.Sent || after.Received != before.Received || after.InFlight != before.InFlight || after.State != "suspended" {
					t.Errorf("the peer has changed from\n%+v to\n%+v", before, after)
				}
				client = w.resume(w.client, st)
				w.state(client, "established", 10*time.Second)
				if name != "the end of the stream was told" {
					w.goesOn(client, server, 5*time.Second)
				}
			})
		})
	}
}

// TestWrongKey resumes with a key that is not the rock's, in either place.
func TestWrongKey(t *testing.T) {
	for _, change := range []func(*rocks.State){
		func(st *rocks.State) { st.ClientKey[0] ^= 1 },
		func(st *rocks.State) { st.ServerKey[31] ^= 1 },
	} {
		inWorld(t, plan{}, func(t *testing.T, w *world) {
			client, server := w.dial()
			st := w.export(client)
			w.state(server, "suspended", 5*time.Second)
			before := server.Info()
			wrong := copyState(t, st)
			change(wrong)
			w.secret(wrong)
			impostor := w.resume(w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{}), wrong)
			time.Sleep(time.Minute)
			if i := impostor.Info(); i.State != "suspended" {
				t.Errorf("with a wrong key the rock is %s", i.State)
			}
			if i := server.Info(); i.State != "suspended" || i.Epoch != before.Epoch || i.Generation != before.Generation {
				t.Errorf("the rock was touched: %+v", i)
			}
			if !strings.Contains(w.log.String(), rocks.ErrAuth.Error()) {
				t.Error("the log does not tell of the wrong proof")
			}
			client = w.resume(w.client, st)
			w.goesOn(client, server, 5*time.Second)
			impostor.Reset()
		})
	}
}

// TestResumeRefusesBadStates gives Resume what Validate refuses, and a rock that is there already.
func TestResumeRefusesBadStates(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		st := w.export(client)
		bad := copyState(t, st)
		bad.Sent += 5
		if _, err := w.client.Resume(t.Context(), bad); err == nil {
			t.Error("resumed a State whose offsets do not tie up")
		}
		client = w.resume(w.client, copyState(t, st))
		if _, err := w.client.Resume(t.Context(), st); err == nil {
			t.Error("resumed the same rock twice in one Endpoint")
		}
		w.goesOn(client, server, 5*time.Second)
	})
}

// TestBothEndsInOneEndpoint moves both ends of a rock to one host.
func TestBothEndsInOneEndpoint(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		cs, ss := w.export(client), w.export(server)
		host := w.net.Host("c", "10.0.0.3")
		e := w.another(host, rocks.Config{})
		here := e.ResumeAddr()
		for _, st := range []*rocks.State{cs, ss} {
			st.Peers = append(st.Peers, addrPort("10.0.0.3", here.Port()))
		}
		w.a.SetUp("eth0", false)
		w.b.SetUp("eth0", false)
		client, server = w.resume(e, cs), w.resume(e, ss)
		w.goesOn(client, server, 5*time.Second)
	})
}

func asReset(err error, target **rocks.ResetError) bool { return errors.As(err, target) }

func addrPort(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// TestSealAndGoOn takes the State of a rock that then goes on in place. Whoever tries to go on with that State is
// told so beforehand, and refused if it tries all the same; the rock is unharmed.
func TestSealAndGoOn(t *testing.T) {
	for name, server := range map[string]bool{"client": false, "server": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dialAs(server)
				up, down := text{1}, text{2}
				w.write(client, up, 0, 50_000)
				w.write(server, down, 0, 60_000)
				w.read(client, down, 0, 10_000)
				st, err := client.Seal(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.secret(st)
				if _, err := client.Seal(t.Context()); err == nil {
					t.Error("sealed twice")
				}
				time.Sleep(time.Minute)
				if s := client.Info().State; s != "suspended" {
					t.Errorf("a sealed rock is %s", s)
				}
				copied := copyState(t, st)
				client.Unseal()
				w.within(10*time.Second, "the rest", func() error {
					w.read(server, up, 0, 50_000)
					w.read(client, down, 10_000, 60_000)
					return nil
				})
				w.goesOn(client, server, time.Second)
				e := w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{})
				if err := e.Ask(t.Context(), copied); !errors.Is(err, rocks.ErrStaleEpoch) {
					t.Errorf("asked about the old state: %v, want %v", err, rocks.ErrStaleEpoch)
				}
				stale := w.resume(e, copied)
				time.Sleep(10 * time.Second)
				if _, err := stale.Write([]byte("x")); !errors.Is(err, rocks.ErrStaleEpoch) {
					t.Errorf("the stale copy wrote: %v, want %v", err, rocks.ErrStaleEpoch)
				}
				w.goesOn(client, server, time.Second)
			})
		})
	}
}

// TestAsk asks the peer about States, which changes nothing for anybody.
func TestAsk(t *testing.T) {
	for name, server := range map[string]bool{"client": false, "server": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dialAs(server)
				up := text{1}
				w.write(client, up, 0, 1000)
				w.read(server, up, 0, 1000)
				time.Sleep(5 * time.Second)
				first := w.export(client)
				e := w.another(w.net.Host("c", "10.0.0.3"), rocks.Config{})
				for range 3 {
					if err := e.Ask(t.Context(), first); err != nil {
						t.Errorf("a state that is good: %v", err)
					}
				}
				if n := len(e.Conns()); n != 0 {
					t.Errorf("asking left %d rocks", n)
				}
				older := *copyState(t, first)
				client = w.resume(e, first)
				w.write(client, up, 1000, 2000)
				w.read(server, up, 1000, 2000)
				newer := w.export(client)
				if err := e.Ask(t.Context(), newer); err != nil {
					t.Errorf("a state that is good, the second time: %v", err)
				}
				older.Epoch = newer.Epoch
				if err := e.Ask(t.Context(), &older); !errors.Is(err, rocks.ErrRolledBack) {
					t.Errorf("a state from before the last kilobyte: %v, want %v", err, rocks.ErrRolledBack)
				}
				client = w.resume(e, newer)
				w.goesOn(client, server, 3*time.Second)
			})
		})
	}
}

// dialAs is dial with the ends exchanged if so asked, for tests of one end that may have either role.
func (w *world) dialAs(server bool) (one, other *rocks.Conn) {
	one, other = w.dial()
	if server {
		return other, one
	}
	return one, other
}
