package rocks_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/rockstest"
)

// A fault point is a place at which a connection of a conversation may break. The conversation is
// held once for each byte that crosses that place, and for each way to break.
type faultPoint struct {
	name string
	mark int // MSS of the connections that are counted
	nth  int // which of them breaks
	// first, if set, breaks the link before after so many bytes, so that a resume is made.
	first int64
	// resumes says who can make a connection when the rock is suspended: client, server or "".
	resumes string
	// mayFail says that the dial may fail, since nothing was promised yet.
	mayFail bool
}

var faultPoints = []faultPoint{
	{name: "probe at birth", mark: detect.ProbeMSS, nth: 0, mayFail: true},
	{name: "birth and first link", mark: detect.SafeMSS, nth: 0, mayFail: true},
	{name: "probe of a resume by the client", mark: detect.ProbeMSS, nth: 1, first: 700, resumes: "client"},
	{name: "resume by the client and second link", mark: detect.SafeMSS, nth: 1, first: 700, resumes: "client"},
	{name: "probe of a resume by the server", mark: detect.ProbeMSS, nth: 1, first: 700, resumes: "server"},
	{name: "resume by the server and second link", mark: detect.SafeMSS, nth: 1, first: 700, resumes: "server"},
	{name: "second link, whoever makes it", mark: detect.SafeMSS, nth: 1, first: 700},
	{name: "third link", mark: detect.SafeMSS, nth: 2, first: 700},
}

func TestCutAtEveryByte(t *testing.T) {
	for _, p := range faultPoints {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var all, step int64 = 0, 1
			if underRace {
				step = 7
			}
			for _, d := range []rockstest.Direction{rockstest.ToServer, rockstest.ToClient} {
				total := p.run(t, d, -1, rockstest.Silence)
				all += total
				for _, how := range []rockstest.Cut{rockstest.Silence, rockstest.Reset} {
					for after := int64(0); after <= total; after += step {
						if p.run(t, d, after, how); t.Failed() {
							t.Fatalf("cut %v by %v after %d bytes of %d", d, how, after, total)
						}
					}
				}
			}
			if all == 0 {
				t.Error("nothing crosses the fault point")
			}
		})
	}
}

// run holds the conversation with one cut, or without if after is negative. It returns how many
// bytes have crossed the fault point.
func (p faultPoint) run(t *testing.T, d rockstest.Direction, after int64, how rockstest.Cut) (crossed int64) {
	t.Helper()
	var seen, links atomic.Int32
	var target atomic.Pointer[rockstest.Wire]
	onConnect := func(wire *rockstest.Wire) {
		if p.first > 0 && wire.MSS == detect.SafeMSS {
			if n := links.Add(1) - 1; int(n) < p.breaks() {
				wire.CutAfter(rockstest.ToServer, p.first/int64(n+1), rockstest.Reset)
			}
		}
		if wire.MSS != p.mark || int(seen.Add(1))-1 != p.nth {
			return
		}
		target.Store(wire)
		if after >= 0 {
			wire.CutAfter(d, after, how)
		}
	}
	inWorld(t, plan{net: rockstest.Config{OnConnect: onConnect}}, func(t *testing.T, w *world) {
		client, server := p.connect(w)
		if t.Failed() {
			return
		}
		w.within(time.Minute, "conversation", func() error { return w.long(client, server) })
		w.ended(time.Minute)
		if wire := target.Load(); wire != nil {
			crossed = wire.Bytes(d)
		}
	})
	return crossed
}

// breaks returns how many links break before the one that is the fault point.
func (p faultPoint) breaks() int {
	if p.mark == detect.SafeMSS {
		return p.nth
	}
	return 1
}

// connect makes the rock, trying again if that is allowed, and sees to who can resume it.
func (p faultPoint) connect(w *world) (client, server *rocks.Conn) {
	w.t.Helper()
	accepted := make(chan *rocks.Conn, 8)
	go func() {
		for {
			c, err := w.ln.Accept()
			if err != nil {
				return
			}
			accepted <- c.(*rocks.Conn)
		}
	}()
	for {
		c, err := w.client.Dial(w.t.Context(), "tcp", "10.0.0.2:80")
		if err == nil {
			client = c
			break
		}
		if !p.mayFail {
			w.t.Errorf("dial: %v", err)
			return nil, nil
		}
		p.mayFail = false // once
	}
	select {
	case server = <-accepted:
	case <-time.After(time.Minute):
		w.t.Error("the client has a rock, the server none")
		return nil, nil
	}
	if server.ID() != client.ID() {
		w.t.Errorf("the server got rock %v, the client has %v", server.ID(), client.ID())
	}
	switch p.resumes {
	case "client":
		w.a.SetFirewall(rockstest.Ports(), nil)
	case "server":
		w.b.SetFirewall(rockstest.Ports(), nil)
	}
	return client, server
}

// long is talk with enough said to break the first link in the middle.
func (w *world) long(client, server *rocks.Conn) error {
	const n = 600
	if err := exchangeHalf(client, server, n); err != nil {
		return err
	}
	if err := exchangeHalf(server, client, n); err != nil {
		return err
	}
	return w.talk(client, server)
}

// exchangeHalf sends n bytes one way and one byte back.
func exchangeHalf(from, to *rocks.Conn, n int) error {
	x := text{uint64(n)}
	buf := make([]byte, n)
	x.fill(buf, 0)
	errs := make(chan error, 1)
	go func() { errs <- script(noClose{to}, "<"+string(buf), ">y") }()
	if err := script(noClose{from}, ">"+string(buf), "<y"); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return <-errs
}

// noClose is a Conn whose Close does nothing.
type noClose struct{ *rocks.Conn }

func (noClose) Close() error { return nil }
