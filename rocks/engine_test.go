package rocks_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// pair is a rock between two hosts in memory.
type pair struct {
	net            *rockstest.Net
	a, b           *rockstest.Host
	ea, eb         *rocks.Endpoint
	client, server *rocks.Conn
}

func verbose(t *testing.T) *slog.Logger {
	if os.Getenv("ROCK_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newPair(t *testing.T, latency time.Duration, tune func(*rocks.Config)) *pair {
	t.Helper()
	n := rockstest.New(rockstest.Config{Latency: latency})
	p := &pair{net: n, a: n.Host("a", "10.0.0.1"), b: n.Host("b", "10.0.0.2")}
	t.Cleanup(func() {
		p.ea.Close()
		p.eb.Close()
		n.Close()
	})
	p.ea, p.eb = endpoint(t, p.a, tune), endpoint(t, p.b, tune)
	p.client, p.server = connect(t, p.ea, p.eb)
	return p
}

func endpoint(t *testing.T, n rocks.Network, tune func(*rocks.Config)) *rocks.Endpoint {
	t.Helper()
	cfg := rocks.Config{Network: n, Logger: verbose(t)}
	if tune != nil {
		tune(&cfg)
	}
	e, err := rocks.NewEndpoint(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func connect(t *testing.T, ea, eb *rocks.Endpoint) (client, server *rocks.Conn) {
	t.Helper()
	client, server, err := tryConnect(t, ea, eb)
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// tryConnect is connect where that may fail.
func tryConnect(t *testing.T, ea, eb *rocks.Endpoint) (client, server *rocks.Conn, err error) {
	t.Helper()
	ln, err := eb.Listen(t.Context(), "tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = ea.Dial(t.Context(), "tcp", "10.0.0.2:80")
	if err != nil {
		return nil, nil, err
	}
	s, err := ln.Accept()
	if err != nil {
		return nil, nil, err
	}
	return client, s.(*rocks.Conn), nil
}

// transfer sends n random bytes each way at once and checks that they arrive.
func transfer(t *testing.T, p *pair, n int) {
	t.Helper()
	done := make(chan error, 4)
	for _, way := range []struct{ from, to *rocks.Conn }{{p.client, p.server}, {p.server, p.client}} {
		data := make([]byte, n)
		rand.NewChaCha8([32]byte{1}).Read(data)
		go func() {
			_, err := way.from.Write(data)
			if err == nil {
				err = way.from.CloseWrite()
			}
			done <- err
		}()
		go func() {
			got, err := io.ReadAll(way.to)
			if err == nil && sha256.Sum256(got) != sha256.Sum256(data) {
				err = errors.New("other bytes arrived")
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTransfer(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 5 << 20} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, time.Millisecond, nil)
			transfer(t, p, size)
			p.client.Close()
			p.server.Close()
			synctest.Wait()
			time.Sleep(time.Second)
			if n := len(p.ea.Conns()) + len(p.eb.Conns()); n != 0 {
				t.Errorf("%d ends are left after an orderly close", n)
			}
		})
	}
}

func TestTransferThroughCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 5*time.Millisecond, nil)
		stop := make(chan struct{})
		go func() {
			path := p.net.Path(p.a, p.b)
			for i := range 30 {
				select {
				case <-stop:
					return
				case <-time.After(30 * time.Millisecond):
				}
				if i%2 == 0 {
					path.Cut()
					time.Sleep(5 * time.Second)
					path.Heal()
				} else {
					path.Reset()
				}
			}
		}()
		transfer(t, p, 20<<20)
		close(stop)
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, time.Millisecond, nil)
		p.net.Path(p.a, p.b).Cut()
		time.Sleep(5 * time.Second)
		p.client.Reset()
		time.Sleep(time.Minute)
		p.net.Path(p.a, p.b).Heal()
		_, err := p.server.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after reset: got %v, want ECONNRESET", err)
		}
	})
}

func TestExportResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, time.Millisecond, nil)
		p.net.Path(p.a, p.b).Cut()
		p.client.Write([]byte("hello "))
		st, err := p.client.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.client.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after export: %v", err)
		}
		p.net.Path(p.a, p.b).Heal()
		raw, err := st.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var copy1, copy2 rocks.State
		if err := errors.Join(copy1.UnmarshalBinary(raw), copy2.UnmarshalBinary(raw)); err != nil {
			t.Fatal(err)
		}
		other := endpoint(t, p.net.Host("c", "10.0.0.3"), nil)
		defer other.Close()
		c, err := other.Resume(t.Context(), &copy1)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("world"))
		c.CloseWrite()
		got, err := io.ReadAll(p.server)
		if string(got) != "hello world" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		stale, err := p.ea.Resume(t.Context(), &copy2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stale.Read(make([]byte, 1)); !errors.Is(err, rocks.ErrStaleEpoch) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("stale copy: got %v, want ErrStaleEpoch", err)
		}
		p.server.Write([]byte("answer"))
		p.server.Close()
		got, err = io.ReadAll(c)
		if string(got) != "answer" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestNettest(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := rockstest.New(rockstest.Config{})
		ea, eb := endpoint(t, n.Host("a", "10.0.0.1"), nil), endpoint(t, n.Host("b", "10.0.0.2"), nil)
		a, b := connect(t, ea, eb)
		return a, b, func() { ea.Close(); eb.Close(); n.Close() }, nil
	})
}

func TestSystemLoopback(t *testing.T) {
	ea, eb := endpoint(t, rocks.System(), nil), endpoint(t, rocks.System(), nil)
	defer ea.Close()
	defer eb.Close()
	ln, err := eb.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ea.Dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	transfer(t, &pair{client: c, server: s.(*rocks.Conn)}, 32<<20)
}
