package rocks

import (
	"bytes"
	"log/slog"
	"testing"

	"rock/rocks/flight"
	"rock/rocks/wire"
)

// taker is a sink that takes everything.
type taker struct{ bytes.Buffer }

func (t *taker) TryWrite(p []byte) int {
	n, _ := t.Write(p)
	return n
}

// A link may begin behind what the peer has: what it got over the link before is acknowledged on the new one. What is pushed then is
// what the peer lacks, and never what was sent before.
func TestPushBehindAcks(t *testing.T) {
	for name, tt := range map[string]struct {
		acked uint64
		want  string
	}{
		"some is left": {3, "lo"},
		"nothing is":   {5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Endpoint{cfg: Config{FlightLimit: 100, ReceiveLimit: 100}, log: slog.New(slog.DiscardHandler)}
			c := newConn(e, wire.NewID(), wire.RoleClient)
			out := &taker{}
			l := &link{c: c, sink: out, wake: make(chan struct{}, 1), resting: true}
			l.out.parts[0], l.out.n = []byte("a batch of before"), 1
			c.link, c.credit = l, 100
			c.log = flight.New(0, 100)
			c.log.Append([]byte("hello"))
			c.log.Trim(tt.acked)
			c.mu.Lock()
			c.pushLocked()
			c.mu.Unlock()
			var want []byte
			if tt.want != "" {
				want = append(wire.AppendDataHeader(nil, tt.acked, len(tt.want)), tt.want...)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("sent %q, want %q", out.Bytes(), want)
			}
			if !l.resting || l.pushing {
				t.Error("the writer does not rest behind it")
			}
		})
	}
}
