package rocks_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/auth"
	"rock/rocks/rockstest"
	"rock/rocks/wire"
)

// TestHostileFrames sends what breaks the protocol on a link. The link is given up; the rock and its data
// are as they were, and a resume goes on where it was.
func TestHostileFrames(t *testing.T) {
	raw := func(b ...byte) func(*rawPeer) { return func(p *rawPeer) { p.nc.Write(b) } }
	frames := func(f ...wire.Frame) func(*rawPeer) { return func(p *rawPeer) { p.send(f...) } }
	tests := map[string]func(p *rawPeer){
		"unknown type":        raw(99, 0, 0, 1, 0),
		"type zero":           raw(0, 0, 0, 0),
		"data too long":       raw(byte(wire.FrameData), 0xff, 0xff, 0xff),
		"data without bytes":  raw(byte(wire.FrameData), 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3),
		"short ping":          raw(byte(wire.FramePing), 0, 0, 1, 7),
		"long ack":            raw(append([]byte{byte(wire.FrameAck), 0, 0, 17}, make([]byte, 17)...)...),
		"text":                raw([]byte("GET / HTTP/1.0\r\n\r\n")...),
		"handshake again":     func(p *rawPeer) { h, _ := p.hello(); p.nc.Write(wire.AppendMessage(nil, h)) },
		"gap":                 frames(wire.Data{Offset: 4, Payload: []byte("x")}),
		"offset at the end":   frames(wire.Data{Offset: math.MaxUint64, Payload: []byte("xy")}),
		"beyond the credit":   frames(wire.Data{Offset: 3, Payload: bytes.Repeat([]byte("x"), 300)}),
		"ack of nothing sent": frames(wire.Ack{Received: 1000, Limit: 1 << 20}),
		"ack of a FIN":        frames(wire.Ack{Received: 6, Limit: 1 << 20}),
		"FIN too early":       frames(wire.Fin{Offset: 2}),
		"FIN too late":        frames(wire.Fin{Offset: 4}),
		"reset code":          raw(byte(wire.FrameReset), 0, 0, 1, 200),
		"addresses cut short": raw(byte(wire.FrameAddresses), 0, 0, 3, 0, 80, 9),
	}
	for name, attack := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{config: rocks.Config{ReceiveLimit: 200}}, func(t *testing.T, w *world) {
				door := w.door()
				p := w.raw(w.a)
				c := p.born(door)
				p.data("abc")
				io.WriteString(c, "hello")
				time.Sleep(100 * time.Millisecond)
				before := c.Info()
				attack(p)
				p.dropped()
				w.state(c, "suspended", time.Second)
				after := c.Info()
				if after.Received != before.Received || after.Unread != 3 || after.Sent != 5 || after.InFlight != 5 || after.Epoch != 1 {
					t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
				}
				if after.LastError == "" {
					t.Error("no reason is told")
				}
				p.resume(door)
				p.data("def")
				buf := make([]byte, 6)
				if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "abcdef" {
					t.Errorf("read %q, error %v", buf, err)
				}
				p.nc.Close()
				c.Reset()
			})
		})
	}
}

// TestReceivedTwice sends again what has already come, as a sender does that did not hear of it.
func TestReceivedTwice(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		door := w.door()
		p := w.raw(w.a)
		c := p.born(door)
		p.data("abcdef")
		for offset := range uint64(6) {
			p.send(wire.Data{Offset: offset, Payload: []byte("abcdefghi"[offset : offset+3+offset%2])})
		}
		p.send(wire.Fin{Offset: 9}, wire.Fin{Offset: 9})
		if got, err := io.ReadAll(c); string(got) != "abcdefghi" || err != nil {
			t.Errorf("read %q, error %v", got, err)
		}
		p.nc.Close()
		c.Reset()
	})
}

// TestHostileHandshake says what is wrong on a new connection. Accept returns an error that tells what; a
// rock that lives at the same Endpoint is not touched.
func TestHostileHandshake(t *testing.T) {
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	tests := map[string]struct {
		attack func(p *rawPeer, victim *rawPeer)
		want   func(error) bool
	}{
		"text":         {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) }, is(wire.ErrMagic)},
		"only magic":   {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte(wire.Magic)); p.nc.Close() }, is(io.ErrUnexpectedEOF)},
		"silence":      {func(p, _ *rawPeer) { p.connect() }, is(os.ErrDeadlineExceeded)},
		"version":      {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte(wire.Magic + "\xc8\x02\x00\x00")) }, isA[*wire.VersionError]},
		"huge body":    {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte(wire.Magic + "\x01\x02\xff\xff")) }, isA[*wire.FormatError]},
		"unknown type": {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte(wire.Magic + "\x01\x63\x00\x01x")) }, isA[*wire.FormatError]},
		"short hello":  {func(p, _ *rawPeer) { p.connect(); p.sayRaw([]byte(wire.Magic + "\x01\x02\x00\x01x")) }, isA[*wire.FormatError]},
		"proof first":  {func(p, _ *rawPeer) { p.connect(); p.say(&wire.Proof{Generation: 9}) }, isA[*wire.FormatError]},
		"refusal first": {func(p, _ *rawPeer) {
			p.connect()
			p.say(&wire.Refuse{Reason: wire.ReasonStale, Versions: wire.Supported()})
		}, isA[*wire.FormatError]},
		"no common version": {func(p, _ *rawPeer) {
			p.connect()
			h, _ := p.hello()
			h.Versions = wire.Versions{Min: 200, Max: 201}
			p.say(h)
		}, isA[*rocks.RefusedError]},
		"weak public key": {func(p, _ *rawPeer) {
			p.connect()
			h, _ := p.hello()
			h.PublicKey = [wire.KeySize]byte{}
			p.say(h)
		}, func(err error) bool { return err != nil }},
		"id of another rock": {func(p, v *rawPeer) {
			p.connect()
			h, _ := p.hello()
			h.ID = v.id
			p.say(h)
		}, func(err error) bool { return err != nil }},
		"forged commit":    {func(p, _ *rawPeer) { p.greet(); p.say(&wire.Commit{Generation: 1}) }, is(rocks.ErrAuth)},
		"reflected commit": {func(p, _ *rawPeer) { p.greet(); p.sayRaw(sealAs(p, auth.ServerSide, &wire.Commit{Generation: 1})) }, is(rocks.ErrAuth)},
		"unknown rock": {func(p, _ *rawPeer) {
			p.connect()
			p.say(&wire.Resume{ID: p.id, Role: wire.RoleClient, Epoch: 1, PeerEpoch: 1})
		}, is(rocks.ErrUnknownRock)},
		"rock of the other role": {func(p, v *rawPeer) {
			p.connect()
			p.say(&wire.Resume{ID: v.id, Role: wire.RoleServer, Epoch: 1, PeerEpoch: 1})
		}, is(rocks.ErrUnknownRock)},
		"resume without a proof": {func(p, v *rawPeer) { p.steal(v); p.ask(); p.nc.Close() }, is(io.ErrUnexpectedEOF)},
		"forged proof": {func(p, v *rawPeer) {
			p.steal(v)
			c, _ := p.ask()
			p.say(p.proof(c))
		}, is(rocks.ErrAuth)},
		"reflected proof": {func(p, v *rawPeer) {
			p.steal(v)
			c, _ := p.ask()
			m := p.proof(c)
			m.MAC = c.MAC
			p.say(m)
		}, is(rocks.ErrAuth)},
		"challenge sent back": {func(p, v *rawPeer) {
			p.steal(v)
			c, _ := p.ask()
			p.say(c)
		}, isA[*wire.FormatError]},
		"replayed proof": {func(p, v *rawPeer) {
			p.steal(v)
			p.ask()
			p.sayRaw(v.w.recordedProof)
		}, is(rocks.ErrAuth)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				door := w.door()
				v := w.raw(w.a)
				c := v.born(door)
				io.WriteString(c, "in flight")
				v.nc.Close()
				w.recordProof(v, door)
				v.data("unread")
				time.Sleep(100 * time.Millisecond)
				v.nc.Close()
				w.state(c, "suspended", time.Second)
				before := c.Info()

				p := w.raw(w.net.Host("e", "10.0.0.66"))
				start := time.Now()
				tt.attack(p, v)
				a := <-door
				if a.conn != nil || !tt.want(a.err) {
					t.Errorf("Accept returned %v, error %v", a.conn, a.err)
				}
				if took := time.Since(start); name == "silence" && took != rocks.DefaultHandshakeTimeout+3*oneWay {
					t.Errorf("silence was borne for %v", took)
				}
				p.dropped()
				if after := c.Info(); !same(before, after) {
					t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
				}
				v.resume(door)
				v.data("!")
				buf := make([]byte, 7)
				if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "unread!" {
					t.Errorf("read %q, error %v", buf, err)
				}
				v.nc.Close()
				c.Reset()
			})
		})
	}
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// same reports whether nothing but what attempts to reconnect leave behind has changed.
func same(a, b rocks.Info) bool {
	a.LastError, b.LastError = "", ""
	return reflect.DeepEqual(a, b)
}

// steal takes what an eavesdropper knows of a rock: everything but its keys.
func (p *rawPeer) steal(v *rawPeer) {
	p.id, p.inc, p.epoch, p.generation = v.id, v.inc, v.epoch, v.generation
}

// recordProof makes a link and keeps the proof that was said.
func (w *world) recordProof(v *rawPeer, door <-chan accepted) {
	c, err := v.ask()
	if err != nil {
		w.t.Fatal(err)
	}
	v.sent = c.Received
	w.recordedProof = v.saySealed(auth.LabelProof, v.proof(c))
	if a := <-door; a.err != nil {
		w.t.Fatal(a.err)
	}
}

// sealAs seals m as the given side would.
func sealAs(p *rawPeer, side auth.Side, m wire.Message) []byte {
	raw := wire.AppendMessage(nil, m)
	at := len(raw) - wire.MACSize
	mac := p.keys.Sum(side, auth.LabelCommit, p.said, raw[:at])
	copy(raw[at:], mac[:])
	return raw
}

// TestStaleIsToldUnderMAC resumes in an epoch that was overtaken.
func TestStaleIsToldUnderMAC(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		door := w.door()
		p := w.raw(w.a)
		c := p.born(door)
		p.nc.Close()
		p.epoch = 5
		p.resume(door)
		p.nc.Close()
		w.state(c, "suspended", time.Second)
		before := c.Info()
		p.epoch = 4
		_, err := p.ask() // its error says that a MAC is wrong if one is
		if err == nil || !strings.Contains(err.Error(), "stale") || strings.Contains(err.Error(), "is wrong") {
			t.Errorf("error %v, want an authentic refusal", err)
		}
		<-door
		if after := c.Info(); !same(before, after) {
			t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
		}
		c.Reset()
	})
}

// TestForgedRefusals puts an attacker where a suspended rock looks for its peer. It answers every resume with
// a refusal that it cannot prove. The rock stays, and goes on when the peer is back.
func TestForgedRefusals(t *testing.T) {
	reasons := []wire.Reason{
		wire.ReasonVersion, wire.ReasonBusy, wire.ReasonUnknown, wire.ReasonStale, wire.ReasonRolledBack,
		wire.ReasonClosed, wire.ReasonSuperseded, wire.ReasonMoved,
	}
	for _, reason := range reasons {
		t.Run(reason.String(), func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				client, server := w.dial()
				w.goesOn(client, server, time.Second)
				port := w.client.ResumeAddr().Port()
				w.a.SetUp("eth0", false)
				w.state(server, "suspended", 5*time.Second)
				before := server.Info()
				w.a.SetAddr("eth0", "10.0.7.7") // and the attacker takes its place
				e := w.net.Host("e", "10.0.0.1")
				answered := w.impersonate(e, port, func(nc net.Conn, resume *wire.Resume, _ []byte) {
					nc.Write(wire.AppendMessage(nil, &wire.Refuse{Reason: reason, Versions: wire.Supported(), MAC: [32]byte{1}}))
				})
				time.Sleep(time.Minute)
				if n := answered(); n < 5 {
					t.Errorf("the attacker was asked %d times", n)
				}
				if after := server.Info(); !same(before, after) {
					t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
				}
				w.a.SetUp("eth0", true)
				w.goesOn(client, server, 5*time.Second)
			})
		})
	}
}

// impersonate answers probes on a port as a rock does, and gives every resume to handle.
func (w *world) impersonate(h *rockstest.Host, port uint16, handle func(nc net.Conn, m *wire.Resume, raw []byte)) (count func() int) {
	n := make(chan int, 1)
	n <- 0
	h.Serve(port, func(nc net.Conn) {
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		m, raw, err := wire.ReadMessage(nc)
		if err == io.EOF {
			nc.Write(wire.AppendMessage(nil, &wire.Announcement{Versions: wire.Supported(), Held: true}))
			return
		}
		if r, ok := m.(*wire.Resume); ok {
			n <- <-n + 1
			handle(nc, r, raw)
		}
	})
	return func() int {
		k := <-n
		n <- k
		return k
	}
}

// TestReflection gives a server its own proofs back: its resume is turned round and sent to itself, and its
// challenge is offered as the client's.
func TestReflection(t *testing.T) {
	inWorld(t, plan{net: rockstest.Config{Capture: true}}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		hello := w.overheardHello()
		port := w.client.ResumeAddr().Port()
		w.a.SetUp("eth0", false)
		w.state(server, "suspended", 5*time.Second)
		before := server.Info()
		w.a.SetAddr("eth0", "10.0.7.7")
		e := w.net.Host("e", "10.0.0.1")
		answered := w.impersonate(e, port, func(nc net.Conn, m *wire.Resume, raw []byte) {
			back, err := e.Dial(t.Context(), rocks.Route{Remote: before.Local})
			if err != nil {
				return
			}
			defer back.Close()
			back.SetDeadline(time.Now().Add(10 * time.Second))
			m.Role, m.Epoch, m.PeerEpoch = wire.RoleClient, m.PeerEpoch, m.Epoch
			m.Incarnation = hello.Incarnation
			back.Write(wire.AppendMessage(nil, m))
			go io.Copy(back, nc) // and whatever is said from now on
			io.Copy(nc, back)
		})
		time.Sleep(time.Minute)
		if n := answered(); n < 5 {
			t.Errorf("the attacker was asked %d times", n)
		}
		if after := server.Info(); !same(before, after) {
			t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
		}
		if !strings.Contains(w.log.String(), rocks.ErrAuth.Error()) {
			t.Error("the log does not tell of a wrong proof")
		}
		w.a.SetUp("eth0", true)
		w.goesOn(client, server, 5*time.Second)
	})
}

// overheardHello returns the hello that an eavesdropper has seen.
func (w *world) overheardHello() *wire.Hello {
	w.t.Helper()
	for _, wire1 := range w.net.Wires() {
		if m, _, err := wire.ParseMessage(wire1.Sent(rockstest.ToServer)); err == nil {
			if h, ok := m.(*wire.Hello); ok {
				return h
			}
		}
	}
	w.t.Fatal("no hello was said")
	return nil
}

// TestLateProofIsNoRollback finishes a handshake after another one, begun later, has made a link on which data
// was acknowledged. The late one is superseded; to call its offsets rolled back would end the rock.
func TestLateProofIsNoRollback(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		door := w.door()
		late := w.raw(w.a)
		c := late.born(door)
		io.WriteString(c, "hello")
		time.Sleep(100 * time.Millisecond)
		late.nc.Close()
		w.state(c, "suspended", time.Second)
		challenge, err := late.ask()
		if err != nil {
			t.Fatal(err)
		}
		quick := *late
		quick.resume(door)
		quick.send(wire.Ack{Received: 5, Limit: 1 << 20})
		time.Sleep(100 * time.Millisecond)
		before := c.Info()
		if before.State != "established" || before.InFlight != 0 {
			t.Fatalf("the quick handshake made no link: %+v", before)
		}
		late.saySealed(auth.LabelProof, late.proof(challenge))
		if m, err := late.hear(""); err == nil {
			if r, ok := m.(*wire.Refuse); !ok || r.Reason == wire.ReasonRolledBack || r.Reason == wire.ReasonStale {
				t.Errorf("the late proof was answered with %v: %+v", m.Type(), m)
			}
		}
		if a := <-door; a.err == nil {
			t.Error("the late link was adopted")
		}
		if after := c.Info(); !same(before, after) {
			t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
		}
		quick.nc.Close()
		c.Reset()
	})
}

// TestLateRefusal refuses a handshake after another one, begun later, has made a link, or after the epoch was raised.
// What was refused is out of date; to end the rock for it would lose what it carries now.
func TestLateRefusal(t *testing.T) {
	relink := func(_ *testing.T, _ *rocks.Conn, p rawPeer, door <-chan accepted) *rawPeer {
		p.resume(door)
		return &p
	}
	reseal := func(t *testing.T, c *rocks.Conn, p rawPeer, _ <-chan accepted) *rawPeer {
		if _, err := c.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Unseal()
		return &p
	}
	for name, tt := range map[string]struct {
		reason    wire.Reason
		meanwhile func(*testing.T, *rocks.Conn, rawPeer, <-chan accepted) *rawPeer
	}{
		"rolled back, another link": {wire.ReasonRolledBack, relink},
		"stale, another link":       {wire.ReasonStale, relink},
		"stale, another epoch":      {wire.ReasonStale, reseal},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, plan{}, func(t *testing.T, w *world) {
				door := w.door()
				late := w.raw(w.a)
				c := late.born(door)
				late.nc.Close()
				w.state(c, "suspended", time.Second)
				if _, err := late.ask(); err != nil {
					t.Fatal(err)
				}
				now := tt.meanwhile(t, c, *late, door)
				time.Sleep(100 * time.Millisecond)
				before := c.Info()
				late.saySealed(auth.LabelRefuse, &wire.Refuse{Reason: tt.reason, Versions: wire.Supported()})
				if a := <-door; a.err == nil {
					t.Error("the refused link was adopted")
				}
				if after := c.Info(); !same(before, after) {
					t.Errorf("the rock has changed from\n%+v to\n%+v", before, after)
				}
				now.nc.Close()
				c.Reset()
			})
		})
	}
}
