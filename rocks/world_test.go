package rocks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// world is two hosts, an Endpoint on each, and a listener at the second:
//
//	a 10.0.0.1 ───────────── 10.0.0.2:80 b
type world struct {
	t              *testing.T
	net            *rockstest.Net
	a, b           *rockstest.Host
	client, server *rocks.Endpoint
	ln             *rocks.Listener
	log            *logBuffer
	extra          []*rocks.Endpoint
	secrets        [][]byte // must not show in the log
	recordedProof  []byte   // a proof that was once valid
}

// plan is what a world is made from. The zero value will do.
type plan struct {
	net    rockstest.Config
	config rocks.Config // without Network and Logger
	// before runs before the Endpoints are made.
	before func(w *world)
}

const oneWay = 10 * time.Millisecond

// inWorld runs f in a synctest bubble. When f returns, everything is closed; a goroutine
// that remains fails the test, and so does a secret in the log.
func inWorld(t *testing.T, p plan, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if p.net.Latency == 0 {
			p.net.Latency = oneWay
		}
		n := rockstest.New(p.net)
		w := &world{t: t, net: n, a: n.Host("a", "10.0.0.1"), b: n.Host("b", "10.0.0.2"), log: &logBuffer{}}
		defer w.close()
		if p.before != nil {
			p.before(w)
		}
		w.client, w.server = w.endpoint(w.a, p.config), w.endpoint(w.b, p.config)
		w.listen()
		f(t, w)
	})
}

func (w *world) close() {
	for _, e := range append([]*rocks.Endpoint{w.client, w.server}, w.extra...) {
		if e != nil {
			if err := e.Close(); err != nil {
				w.t.Errorf("close endpoint: %v", err)
			}
		}
	}
	w.net.Close()
	w.scanLog()
	if w.t.Failed() && testing.Verbose() {
		w.t.Logf("log:\n%s", w.log)
	}
}

func (w *world) endpoint(n rocks.Network, cfg rocks.Config) *rocks.Endpoint {
	w.t.Helper()
	cfg.Network = n
	cfg.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e, err := rocks.NewEndpoint(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// another makes a further Endpoint, which is closed with the world.
func (w *world) another(n rocks.Network, cfg rocks.Config) *rocks.Endpoint {
	w.t.Helper()
	e := w.endpoint(n, cfg)
	w.extra = append(w.extra, e)
	return e
}

func (w *world) listen() {
	w.t.Helper()
	ln, err := w.server.Listen(w.t.Context(), "tcp", ":80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.ln = ln
}

// dial makes a rock.
func (w *world) dial() (client, server *rocks.Conn) {
	w.t.Helper()
	client, err := w.client.Dial(w.t.Context(), "tcp", "10.0.0.2:80")
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.ln.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	return client, s.(*rocks.Conn)
}

// logBuffer is an io.Writer for a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// secret makes sure that the keys and the payload of a State do not show in the log.
func (w *world) secret(st *rocks.State) {
	w.secrets = append(w.secrets, st.ClientKey[:], st.ServerKey[:])
	for _, b := range [][]byte{st.Flight, st.Input} {
		if len(b) >= 8 {
			w.secrets = append(w.secrets, bytes.Clone(b))
		}
	}
}

// scanLog looks for any eight bytes in a row of a secret, in the forms in which they could
// have been written.
func (w *world) scanLog() {
	log := w.log.String()
	lower := bytes.ToLower([]byte(log))
	for _, s := range w.secrets {
		for at := 0; at+8 <= len(s) && at < 64; at++ {
			part := s[at : at+8]
			decimal := fmt.Sprint(part)
			for form, hit := range map[string]bool{
				"raw":     bytes.Contains([]byte(log), part),
				"hex":     bytes.Contains(lower, []byte(hex.EncodeToString(part))),
				"base64":  at%3 == 0 && bytes.Contains([]byte(log), []byte(base64.RawStdEncoding.EncodeToString(part[:6]))),
				"decimal": bytes.Contains([]byte(log), []byte(decimal[1:len(decimal)-1])),
			} {
				if hit {
					w.t.Errorf("a secret shows in the log, as %s", form)
				}
			}
		}
	}
}

// state waits until c is in the given state and returns how long that took. It fails the test
// after limit.
func (w *world) state(c *rocks.Conn, want string, limit time.Duration) time.Duration {
	w.t.Helper()
	start := time.Now()
	for c.Info().State != want {
		if time.Since(start) >= limit {
			w.t.Fatalf("still %s after %v, want %s: %+v", c.Info().State, limit, want, c.Info())
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// stream is what a program does with a Conn.
type stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// text is a stream of bytes without repetition: each eight bytes depend on their offset.
type text struct{ salt uint64 }

func (x text) fill(p []byte, offset uint64) {
	var word [8]byte
	for i := range p {
		at := offset + uint64(i)
		if i == 0 || at%8 == 0 {
			z := x.salt + at/8*0x9e3779b97f4a7c15
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			binary.LittleEndian.PutUint64(word[:], z^z>>31)
		}
		p[i] = word[at%8]
	}
}

// check says where p, read at offset, differs from the stream.
func (x text) check(p []byte, offset uint64) error {
	want := make([]byte, len(p))
	x.fill(want, offset)
	if bytes.Equal(p, want) {
		return nil
	}
	for i := range p {
		if p[i] != want[i] {
			return fmt.Errorf("byte %d is wrong", offset+uint64(i))
		}
	}
	return nil
}

// send writes n bytes of x, in pieces and with pauses that rng chooses (nil: as fast as it
// goes), and closes the sending side.
func (x text) send(c stream, n int, rng *rand.Rand) error {
	buf := make([]byte, 8<<10)
	for at := 0; at < n; {
		size := min(len(buf), n-at)
		if rng != nil {
			size = 1 + rng.IntN(min(size, 2<<10))
			if rng.IntN(3) == 0 {
				time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
			}
		}
		x.fill(buf[:size], uint64(at))
		k, err := c.Write(buf[:size])
		if at += k; err != nil {
			return fmt.Errorf("write at %d: %w", at, err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("close the sending side: %w", err)
	}
	return nil
}

// receive reads x to its end, which must be after n bytes.
func (x text) receive(c stream, n int, rng *rand.Rand) error {
	buf := make([]byte, 8<<10)
	for at := 0; ; {
		size := len(buf)
		if rng != nil {
			size = 1 + rng.IntN(size)
			if rng.IntN(8) == 0 {
				time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
			}
		}
		k, err := c.Read(buf[:size])
		if wrong := x.check(buf[:k], uint64(at)); wrong != nil {
			return wrong
		}
		at += k
		switch {
		case err == io.EOF && at == n:
			return nil
		case err != nil:
			return fmt.Errorf("read after %d of %d bytes: %w", at, n, err)
		case at > n:
			return fmt.Errorf("read %d bytes, want %d", at, n)
		}
	}
}

// exchangeTexts sends a text of n bytes in each direction at once, and checks that both arrive.
func exchangeTexts(client, server stream, n int, seed uint64) error {
	up, down := text{seed*2 + 1}, text{seed*2 + 2}
	rng := func(k uint64) *rand.Rand {
		if seed == 0 {
			return nil
		}
		return rand.New(rand.NewPCG(seed, k))
	}
	errs := make(chan error, 4)
	run := func(what string, f func() error) {
		go func() {
			err := f()
			if err != nil {
				err = fmt.Errorf("%s: %w", what, err)
			}
			errs <- err
		}()
	}
	run("client sends", func() error { return up.send(client, n, rng(1)) })
	run("server sends", func() error { return down.send(server, n, rng(2)) })
	run("server receives", func() error { return up.receive(server, n, rng(3)) })
	run("client receives", func() error { return down.receive(client, n, rng(4)) })
	return errors.Join(<-errs, <-errs, <-errs, <-errs)
}

// talk is a short conversation in which each side says something, waits for the answer, and
// closes in order. It checks that nothing is lost or repeated.
func (w *world) talk(client, server *rocks.Conn) error {
	errs := make(chan error, 2)
	go func() { errs <- script(client, ">question", "<answer", ">thanks", ".", "<bye", "!") }()
	go func() { errs <- script(server, "<question", ">answer", "<thanks", "!", ">bye", ".") }()
	return errors.Join(<-errs, <-errs)
}

// script plays one side: >text writes, <text reads, . closes the sending side, ! reads the end.
func script(c net.Conn, steps ...string) error {
	for _, s := range steps {
		var err error
		switch arg := s[1:]; s[0] {
		case '>':
			_, err = io.WriteString(c, arg)
		case '<':
			buf := make([]byte, len(arg))
			if _, err = io.ReadFull(c, buf); err == nil && string(buf) != arg {
				err = fmt.Errorf("read %q", buf)
			}
		case '.':
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		case '!':
			var more int
			if more, err = c.Read(make([]byte, 1)); err == nil || more > 0 {
				err = fmt.Errorf("%d bytes more", more)
			} else if err == io.EOF {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("step %s: %w", s, err)
		}
	}
	return c.Close()
}

// within fails the test if f does not return within a virtual time.
func (w *world) within(limit time.Duration, what string, f func() error) {
	w.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			w.t.Errorf("%s: %v", what, err)
		}
	case <-time.After(limit):
		w.t.Errorf("%s: not done after %v", what, limit)
		for _, e := range append([]*rocks.Endpoint{w.client, w.server}, w.extra...) {
			for _, i := range e.Conns() {
				w.t.Logf("%+v", i)
			}
			e.Close() // ends f
		}
		<-done
	}
}

// ended waits for both ends to be done with all their rocks.
func (w *world) ended(limit time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	for _, e := range []*rocks.Endpoint{w.client, w.server} {
		for len(e.Conns()) > 0 {
			if ctx.Err() != nil {
				w.t.Errorf("after %v there is still %+v", limit, e.Conns()[0])
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}
