package rendezvous

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rock/rocks/wire"
)

// start starts a server and returns a way to it.
func start(t *testing.T, cfg ServerConfig) (*Server, *Client) {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = NewMemory(100)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(cfg)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}}
}

func here(last byte) wire.Addresses {
	return wire.Addresses{Port: 4000, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, last}), netip.MustParseAddr("2001:db8::1")}}
}

func TestExchange(t *testing.T) {
	s, c := start(t, ServerConfig{})
	mine, theirs := NewIdentity([32]byte{1}), NewIdentity([32]byte{2})
	ctx := t.Context()
	if found, err := c.Exchange(ctx, []Record{mine.Record(1, time.Minute, here(1))}, []Name{theirs.Name()}); err != nil || len(found) != 0 {
		t.Fatalf("got %+v, %v, want nothing", found, err)
	}
	found, err := c.Exchange(ctx, []Record{theirs.Record(7, time.Hour, here(2))}, []Name{mine.Name(), {9}, theirs.Name()})
	if err != nil || len(found) != 2 || found[0].Name() != mine.Name() || found[1].Name() != theirs.Name() {
		t.Fatalf("got %+v, %v", found, err)
	}
	r := found[0]
	if got := r.Where.AddrPorts(); len(got) != 2 || got[0] != netip.MustParseAddrPort("192.0.2.1:4000") || got[1] != netip.MustParseAddrPort("[2001:db8::1]:4000") {
		t.Errorf("got %v", got)
	}
	if r.Sequence != 1 || r.Lifetime <= 0 || r.Lifetime > time.Minute {
		t.Errorf("got %+v", r)
	}
	// Newer word replaces it, older does not.
	if _, err := c.Exchange(ctx, []Record{mine.Record(3, time.Minute, here(3))}, nil); err != nil {
		t.Error(err)
	}
	found, err = c.Exchange(ctx, []Record{mine.Record(2, time.Minute, here(2)), mine.Record(3, time.Minute, here(4))}, []Name{mine.Name()})
	if err == nil || !strings.Contains(err.Error(), "newer word") || len(found) != 1 || found[0].Where.Addrs[0] != here(3).Addrs[0] {
		t.Errorf("got %+v, %v", found, err)
	}
	if left, refused := s.Stats().Left.Load(), s.Stats().Refused.Load(); left != 3 || refused != 2 {
		t.Errorf("%d left, %d refused", left, refused)
	}
}

// TestForged sends records that are not what they should be, and what was overheard on another connection.
func TestForged(t *testing.T) {
	_, c := start(t, ServerConfig{})
	mine, stranger := NewIdentity([32]byte{1}), NewIdentity([32]byte{2})
	conn, n, done, err := c.visit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer done()
	ask := func(k kind, body []byte) status {
		t.Helper()
		if _, err := conn.Write(appendMessage(nil, k, body)); err != nil {
			t.Fatal(err)
		}
		var buf [maxBody]byte
		_, answer, err := readMessage(conn, &buf)
		if err != nil || len(answer) != 1 {
			t.Fatalf("got %v, %v", answer, err)
		}
		return status(answer[0])
	}
	good := mine.Record(1, time.Minute, here(1))
	another := good
	another.identity = &stranger
	other := good
	other.public = stranger.public()
	other.identity = &stranger
	long, none := mine.Record(1, 2*MaxLifetime, here(1)), mine.Record(1, 0, here(1))
	changed := good.leave(n)
	changed[len(changed)-80] ^= 1
	overheard := good.leave(nonce{7})
	for name, body := range map[string][]byte{
		"of another connection":    overheard,
		"left by somebody else":    another.leave(n),
		"under another's name":     other.leave(n),
		"for ever":                 long.leave(n),
		"for no time":              none.leave(n),
		"changed":                  changed,
		"cut off":                  good.leave(n)[:100],
		"nothing":                  nil,
		"a record without proof":   good.encode(),
		"with something behind it": append(good.leave(n), 0),
	} {
		if s := ask(kindLeave, body); s != statusRefused {
			t.Errorf("%s: %v", name, s)
		}
	}
	if s := ask(kindLeave, good.leave(n)); s != statusDone {
		t.Errorf("as it should be: %v", s)
	}
	if s := ask(kindLeave, good.leave(n)); s != statusOld {
		t.Errorf("once more: %v", s)
	}
	if s := ask(kindJoin, append(mine.join(n, stranger.Name())[:64], stranger.join(n, stranger.Name())[64:]...)); s != statusRefused {
		t.Errorf("join as another: %v", s)
	}
}

// A server that has been taken over cannot send an end elsewhere.
func TestDishonestServer(t *testing.T) {
	mine, stranger := NewIdentity([32]byte{1}), NewIdentity([32]byte{2})
	forged := mine.Record(9, time.Minute, here(1))
	body := forged.encode()
	body[len(body)-1] ^= 1 // of an address
	theirs := stranger.Record(9, time.Minute, here(1))
	for name, answer := range map[string][]byte{
		"changed":         appendMessage(nil, kindFound, append([]byte{0, 0, 0, 60}, body...)),
		"somebody else's": appendMessage(nil, kindFound, append([]byte{0, 0, 0, 60}, theirs.encode()...)),
		"cut off":         appendMessage(nil, kindFound, []byte{0, 0}),
		"of another kind": appendMessage(nil, kindLeft, []byte{0}),
		"too long":        {byte(kindFound), 0xff, 0xff},
		"none":            nil,
	} {
		c := &Client{Dial: func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				_, _ = theirs.Write(appendGreeting(nil, nonce{}))
				_, _ = io.ReadFull(theirs, make([]byte, 35))
				_, _ = theirs.Write(answer)
			}()
			return ours, nil
		}}
		if found, err := c.Exchange(t.Context(), nil, []Name{mine.Name()}); err == nil || len(found) > 0 {
			t.Errorf("%s: got %+v, %v", name, found, err)
		}
	}
}

func TestJoin(t *testing.T) {
	s, c := start(t, ServerConfig{})
	mine, theirs := NewIdentity([32]byte{1}), NewIdentity([32]byte{2})
	type joined struct {
		conn net.Conn
		err  error
	}
	// One who has come for somebody else, and one who has gone without a word, are in nobody's way.
	stranger, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = c.Join(stranger, NewIdentity([32]byte{3}), mine.Name()) }()
	gone, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := c.Join(gone, mine, theirs.Name()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: got %v", err)
	}
	first := make(chan joined, 1)
	go func() {
		conn, err := c.Join(t.Context(), mine, theirs.Name())
		first <- joined{conn, err}
	}()
	time.Sleep(50 * time.Millisecond)
	second, err := c.Join(t.Context(), theirs, mine.Name())
	one := <-first
	if err != nil || one.err != nil {
		t.Fatal(err, one.err)
	}
	defer second.Close()
	defer one.conn.Close()
	words := bytes.Repeat([]byte("word "), 100_000)
	go func() {
		_, _ = one.conn.Write(words)
		one.conn.Close()
	}()
	if got, err := io.ReadAll(second); err != nil || !bytes.Equal(got, words) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if s.Stats().RelayBytes.Load() != int64(len(words)) || s.Stats().Pairs.Load() != 1 {
		t.Errorf("%d pairs, %d bytes", s.Stats().Pairs.Load(), s.Stats().RelayBytes.Load())
	}
}

// TestBounds has one host make more connections than it may, and others ask for more than there is room for.
func TestBounds(t *testing.T) {
	_, c := start(t, ServerConfig{Store: NewMemory(3), PerHost: 5, Pairs: -1})
	var silent []net.Conn
	for range 20 {
		conn, err := c.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	if _, err := c.Exchange(t.Context(), nil, nil); err == nil {
		t.Error("a sixth connection of one host was served")
	}
	for _, conn := range silent {
		conn.Close()
	}
	var err error
	for range 100 { // until the server has noticed
		if _, err = c.Exchange(t.Context(), nil, nil); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for i := range byte(4) {
		all = append(all, NewIdentity([32]byte{i}).Record(1, time.Minute, here(i)))
	}
	if _, err := c.Exchange(t.Context(), all, nil); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("more names than there is room for: got %v", err)
	}
	if _, err := c.Join(t.Context(), NewIdentity([32]byte{1}), Name{2}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a server without a relay: got %v", err)
	}
}

func TestMemory(t *testing.T) {
	m := NewMemory(1)
	ctx, now := t.Context(), time.Now()
	if err := m.Put(ctx, Name{1}, 5, []byte("a"), now.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if v, _, err := m.Get(ctx, Name{1}); v != nil || err != nil {
		t.Errorf("expired: got %q, %v", v, err)
	}
	if err := m.Put(ctx, Name{1}, 4, []byte("b"), now.Add(time.Minute)); err != nil {
		t.Errorf("older than what has expired: %v", err)
	}
	if err := m.Put(ctx, Name{1}, 4, []byte("c"), now.Add(time.Minute)); !errors.Is(err, ErrOld) {
		t.Errorf("of the same age: %v", err)
	}
	if err := m.Put(ctx, Name{2}, 1, []byte("d"), now.Add(time.Minute)); !errors.Is(err, ErrFull) {
		t.Errorf("no room: %v", err)
	}
	if v, until, err := m.Get(ctx, Name{1}); string(v) != "b" || !until.Equal(now.Add(time.Minute)) || err != nil {
		t.Errorf("got %q, %v, %v", v, until, err)
	}
}

func TestOtherGreetings(t *testing.T) {
	for name, text := range map[string]string{
		"ssh": "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n and more of it", "later": magic + "\x02" + strings.Repeat("x", nonceSize), "short": magic,
	} {
		if _, err := readGreeting(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	r := NewIdentity([32]byte{1}).Record(1, time.Minute, here(1))
	f.Add(r.encode())
	f.Add(r.leave(nonce{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRecord(b); err == nil && !bytes.Equal(r.encode(), b) {
			t.Errorf("%x is %+v", b, r)
		}
		_, _ = decodeLeave(b, nonce{})
		_, _, _ = decodeJoin(b, nonce{})
	})
}

// One host may leave word under so many names, and go on with those that it has. Others are not touched by that.
func TestQuota(t *testing.T) {
	q := quota{most: 2}
	now := time.Now()
	one, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	for i, tt := range []struct {
		host  netip.Prefix
		name  byte
		after time.Duration
		want  bool
	}{
		{one, 1, 0, true}, {one, 2, 0, true}, {one, 3, 0, false}, {one, 1, time.Minute, true}, {other, 3, time.Minute, true},
		{one, 4, MaxLifetime - 1, false}, {one, 4, MaxLifetime, true}, {one, 1, MaxLifetime, true}, {one, 2, MaxLifetime, false},
	} {
		if got := q.allow(tt.host, Name{tt.name}, now.Add(tt.after)); got != tt.want {
			t.Errorf("%d: got %v", i, got)
		}
	}
}
