package rocks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/auth"
	"rock/rocks/rockstest"
	"rock/rocks/wire"
)

// rawPeer is the client end of a rock, played by hand, so that it can say what the library never would.
type rawPeer struct {
	t    *testing.T
	w    *world
	host *rockstest.Host
	to   netip.AddrPort

	nc         net.Conn
	said       auth.Transcript
	id         wire.ID
	inc        wire.Incarnation
	keys       auth.Keys
	epoch      uint32
	generation uint64
	sent, got  uint64
	welcome    wire.Welcome
}

// accepted is what Endpoint.Accept has returned.
type accepted struct {
	conn *rocks.Conn
	err  error
}

// door hands every connection to port 81 of b to Endpoint.Accept and tells what came of it.
func (w *world) door() <-chan accepted {
	w.t.Helper()
	ln, err := w.b.Listen(w.t.Context(), netip.MustParseAddrPort("[::]:81"))
	if err != nil {
		w.t.Fatal(err)
	}
	out := make(chan accepted, 16)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				c, err := w.server.Accept(context.Background(), nc)
				out <- accepted{c, err}
			}()
		}
	}()
	return out
}

// raw returns a peer on host that talks to the door.
func (w *world) raw(host *rockstest.Host) *rawPeer {
	return &rawPeer{
		t: w.t, w: w, host: host, to: netip.MustParseAddrPort("10.0.0.2:81"),
		id: wire.NewID(), inc: wire.NewIncarnation(), epoch: 1,
	}
}

func (p *rawPeer) connect() {
	p.t.Helper()
	nc, err := p.host.Dial(p.t.Context(), rocks.Route{Remote: p.to})
	if err != nil {
		p.t.Fatal(err)
	}
	p.nc, p.said = nc, auth.Transcript{}
}

// say sends m and returns its bytes.
func (p *rawPeer) say(m wire.Message) []byte {
	raw := wire.AppendMessage(nil, m)
	p.sayRaw(raw)
	return raw
}

func (p *rawPeer) sayRaw(raw []byte) {
	p.said = p.said.Add(raw)
	_, _ = p.nc.Write(raw) // a refusal shows when the answer is read
}

// saySealed sends m with the client's MAC.
func (p *rawPeer) saySealed(label auth.Label, m wire.Message) []byte {
	raw := wire.AppendMessage(nil, m)
	at := len(raw) - wire.MACSize
	mac := p.keys.Sum(auth.ClientSide, label, p.said, raw[:at])
	copy(raw[at:], mac[:])
	p.sayRaw(raw)
	return raw
}

// hear reads a message, and checks the server's MAC if it has one with that label.
func (p *rawPeer) hear(label auth.Label) (wire.Message, error) {
	p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	m, raw, err := wire.ReadMessage(p.nc)
	if err != nil {
		return nil, err
	}
	if _, ok := m.(*wire.Refuse); ok {
		label = auth.LabelRefuse
	}
	at := len(raw) - wire.MACSize
	if p.keys != (auth.Keys{}) && !p.keys.Verify(auth.ServerSide, label, p.said, raw[:at], [wire.MACSize]byte(raw[at:])) {
		return m, fmt.Errorf("MAC of %v is wrong", m.Type())
	}
	p.said = p.said.Add(raw)
	return m, nil
}

// hello is a valid first message, and the private key that goes with it.
func (p *rawPeer) hello() (*wire.Hello, auth.PrivateKey) {
	own, err := auth.NewPrivateKey()
	if err != nil {
		p.t.Fatal(err)
	}
	return &wire.Hello{
		ID: p.id, Versions: wire.Supported(), Instance: wire.NewInstance(), Incarnation: p.inc,
		PublicKey: own.Public(), Nonce: auth.Nonce(), Limit: 1 << 20,
	}, own
}

// greet says hello and reads the welcome.
func (p *rawPeer) greet() {
	p.t.Helper()
	p.connect()
	hello, own := p.hello()
	p.say(hello)
	m, raw, err := wire.ReadMessage(p.nc)
	if err != nil {
		p.t.Fatal(err)
	}
	p.welcome = *m.(*wire.Welcome)
	at := len(raw) - wire.MACSize
	if p.keys, err = auth.Derive(own, p.welcome.PublicKey, p.said.Add(raw[:at]).Hash()); err != nil {
		p.t.Fatal(err)
	}
	if !p.keys.Verify(auth.ServerSide, auth.LabelWelcome, p.said, raw[:at], p.welcome.MAC) {
		p.t.Fatal("MAC of the welcome is wrong")
	}
	p.said = p.said.Add(raw)
	p.w.secrets = append(p.w.secrets, p.keys.Client[:], p.keys.Server[:])
}

// born makes a rock and returns the server's end.
func (p *rawPeer) born(door <-chan accepted) *rocks.Conn {
	p.t.Helper()
	p.greet()
	p.generation = 1
	p.saySealed(auth.LabelCommit, &wire.Commit{Generation: 1})
	a := <-door
	if a.err != nil {
		p.t.Fatal(a.err)
	}
	return a.conn
}

// ask begins a resume and returns the challenge.
func (p *rawPeer) ask() (*wire.Challenge, error) {
	p.t.Helper()
	p.connect()
	p.say(&wire.Resume{
		ID: p.id, Role: wire.RoleClient, Epoch: p.epoch, Incarnation: p.inc, PeerEpoch: 1,
		Generation: p.generation, Nonce: auth.Nonce(),
	})
	m, err := p.hear(auth.LabelChallenge)
	if err != nil {
		return nil, err
	}
	c, ok := m.(*wire.Challenge)
	if !ok {
		return nil, fmt.Errorf("got %v: %+v", m.Type(), m)
	}
	return c, nil
}

// proof is the valid answer to a challenge.
func (p *rawPeer) proof(c *wire.Challenge) *wire.Proof {
	p.generation = max(p.generation, c.Generation) + 1
	return &wire.Proof{Received: p.got, Limit: 1 << 20, Generation: p.generation}
}

// resume makes a new link.
func (p *rawPeer) resume(door <-chan accepted) {
	p.t.Helper()
	c, err := p.ask()
	if err != nil {
		p.t.Fatal(err)
	}
	p.sent = c.Received
	p.saySealed(auth.LabelProof, p.proof(c))
	if a := <-door; a.err != nil || a.conn != nil {
		p.t.Fatalf("resume: %v, error %v", a.conn, a.err)
	}
}

// send puts frames on the link.
func (p *rawPeer) send(frames ...wire.Frame) {
	var b []byte
	for _, f := range frames {
		b = wire.AppendFrame(b, f)
	}
	_, _ = p.nc.Write(b)
}

// data sends payload at the present offset.
func (p *rawPeer) data(s string) {
	p.send(wire.Data{Offset: p.sent, Payload: []byte(s)})
	p.sent += uint64(len(s))
}

// dropped waits until the other end closes the connection.
func (p *rawPeer) dropped() {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, p.nc); err != nil && isTimeout(err) {
		p.t.Error("the connection stays open")
	}
	p.nc.Close()
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}
