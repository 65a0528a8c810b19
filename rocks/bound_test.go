package rocks_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/rockstest"
)

// TestWriterBlocks writes to a rock that is suspended, and to one whose peer does not read, until Write
// blocks: at the bound of the flight log, and of both together.
func TestWriterBlocks(t *testing.T) {
	const flight, receive = 10_000, 4_000
	p := plan{
		net:    rockstest.Config{SendBuffer: 1000, ReceiveBuffer: 1000},
		config: rocks.Config{FlightLimit: flight, ReceiveLimit: receive},
	}
	tests := map[string]struct {
		cut  bool
		want int
	}{
		"suspended":          {cut: true, want: flight},
		"peer does not read": {want: flight + receive},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, p, func(t *testing.T, w *world) {
				client, server := w.dial()
				if tt.cut {
					w.net.Path(w.a, w.b).Cut()
					w.state(client, "suspended", 5*time.Second)
				}
				x := text{1}
				big := make([]byte, 100_000)
				x.fill(big, 0)
				client.SetWriteDeadline(time.Now().Add(time.Hour))
				start := time.Now()
				n, err := client.Write(big)
				wantIs(t, err, os.ErrDeadlineExceeded)
				if took := time.Since(start); took != time.Hour || n != tt.want {
					t.Errorf("wrote %d bytes in %v, want %d in 1 h", n, took, tt.want)
				}
				if c, s := client.Info(), server.Info(); c.InFlight > flight || s.Unread > receive {
					t.Errorf("%d bytes in flight, %d unread, want at most %d and %d", c.InFlight, s.Unread, flight, receive)
				}
				if !tt.cut {
					for _, c := range []*rocks.Conn{client, server} {
						if i := c.Info(); i.State != "established" || i.Generation != 1 {
							t.Errorf("the link did not live through an hour without a reader: %+v", i)
						}
					}
				}
				// All of it arrives in the end, and then the writer goes on.
				w.net.Path(w.a, w.b).Heal()
				client.SetWriteDeadline(time.Time{})
				w.within(time.Minute, "the rest", func() error {
					errs := make(chan error, 1)
					go func() {
						_, err := client.Write(big[n:])
						errs <- errors.Join(err, client.CloseWrite())
					}()
					return errors.Join(x.receive(server, len(big), nil), <-errs)
				})
			})
		})
	}
}

// TestSlowReader watches the bounds during a long transfer to a program that reads little by little,
// through interruptions.
func TestSlowReader(t *testing.T) {
	const flight, receive = 64 << 10, 32 << 10
	inWorld(t, plan{config: rocks.Config{FlightLimit: flight, ReceiveLimit: receive}}, func(t *testing.T, w *world) {
		client, server := w.dial()
		const n = 2 << 20
		x := text{7}
		errs := make(chan error, 1)
		go func() { errs <- x.send(client, n, nil) }()
		var before, after runtime.MemStats
		buf := make([]byte, 4096)
		for at := 0; ; {
			k, err := server.Read(buf)
			if wrong := x.check(buf[:k], uint64(at)); wrong != nil {
				t.Fatal(wrong)
			}
			if at += k; err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if i := client.Info().InFlight; i > flight {
				t.Fatalf("%d bytes in flight, the limit is %d", i, flight)
			}
			if i := server.Info().Unread; i > receive {
				t.Fatalf("%d bytes unread, the limit is %d", i, receive)
			}
			if at/buf16 != (at-k)/buf16 {
				w.net.ResetAll()
			}
			if at < n/4 {
				runtime.ReadMemStats(&before)
			}
			time.Sleep(20 * time.Millisecond)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
	})
}

const buf16 = 128 << 10 // a reset after each so many bytes

// TestManyOutagesLeaveNothing counts goroutines before and after many outages.
func TestManyOutagesLeaveNothing(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.goesOn(client, server, time.Second)
		time.Sleep(time.Minute)
		const outages, noise = 200, 10 // the runtime may start some of its own
		before := runtime.NumGoroutine()
		for range outages {
			w.net.ResetAll()
			w.goesOn(client, server, 3*time.Second)
		}
		time.Sleep(time.Minute)
		if after := runtime.NumGoroutine(); after > before+noise {
			t.Errorf("%d goroutines after %d outages, were %d", after, outages, before)
		}
	})
}

// suspendedBoth cuts the path and waits until both ends know.
func (w *world) suspendedBoth(client, server *rocks.Conn) {
	w.t.Helper()
	w.net.Path(w.a, w.b).Cut()
	w.state(client, "suspended", 5*time.Second)
	w.state(server, "suspended", 5*time.Second)
}

// TestEndings ends a rock in each way that a program can, while it is established and while it is suspended,
// and looks at what the peer's program gets.
func TestEndings(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, c, peer *rocks.Conn)
		want string // what the peer reads
		err  error  // and then
	}{
		{"close", func(t *testing.T, c, _ *rocks.Conn) {
			io.WriteString(c, "last words")
			c.Close()
		}, "last words", io.EOF},
		{"close both", func(t *testing.T, c, peer *rocks.Conn) {
			io.WriteString(c, "last words")
			c.Close()
			peer.CloseWrite()
		}, "last words", io.EOF},
		{"half-close", func(t *testing.T, c, _ *rocks.Conn) {
			io.WriteString(c, "question")
			c.CloseWrite()
		}, "question", io.EOF},
		{"reset", func(t *testing.T, c, _ *rocks.Conn) {
			io.WriteString(c, "never mind")
			c.Reset()
		}, "", syscall.ECONNRESET},
		{"close with unread input", func(t *testing.T, c, peer *rocks.Conn) {
			c.Close()
		}, "", syscall.ECONNRESET},
	}
	for _, tt := range tests {
		for _, cut := range []bool{false, true} {
			for _, byServer := range []bool{false, true} {
				name := tt.name + map[bool]string{false: " established", true: " suspended"}[cut] +
					map[bool]string{false: " by client", true: " by server"}[byServer]
				t.Run(name, func(t *testing.T) {
					inWorld(t, plan{}, func(t *testing.T, w *world) {
						c, peer := w.dial()
						if byServer {
							c, peer = peer, c
						}
						if tt.name == "close with unread input" {
							io.WriteString(peer, "unread")
							time.Sleep(time.Second)
						}
						if cut {
							w.suspendedBoth(c, peer)
						}
						tt.end(t, c, peer)
						if cut {
							time.Sleep(time.Hour)
							w.net.Path(w.a, w.b).Heal()
						}
						peer.SetReadDeadline(time.Now().Add(10 * time.Second))
						got, err := io.ReadAll(peer)
						if err == nil {
							err = io.EOF
						}
						if tt.err == io.EOF && string(got) != tt.want {
							t.Errorf("the peer read %q, want %q", got, tt.want)
						}
						wantIs(t, err, tt.err)
						if tt.name == "half-close" {
							io.WriteString(peer, "answer")
							peer.Close()
							if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
								t.Errorf("after the half-close read %q, error %v", got, err)
							}
						}
						c.Close()
						peer.Close()
						w.ended(10 * time.Second)
					})
				})
			}
		}
	}
}

// TestWriteToClosedPeer resets a program that writes to one that is gone, as TCP does.
func TestWriteToClosedPeer(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		server.Close()
		time.Sleep(time.Second)
		if _, err := io.WriteString(client, "anybody there?"); err != nil {
			t.Errorf("first write: %v", err)
		}
		time.Sleep(time.Second)
		_, err := io.WriteString(client, "hello?")
		wantIs(t, err, syscall.ECONNRESET)
		client.Close()
		w.ended(10 * time.Second)
	})
}

// TestLocalErrors checks what the own side gets after each call that ends something.
func TestLocalErrors(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		client.CloseWrite()
		_, err := client.Write([]byte("x"))
		wantIs(t, err, syscall.EPIPE)
		server.CloseRead()
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("read after CloseRead: %d, %v", n, err)
		}
		client.Close()
		_, err = client.Read(make([]byte, 1))
		wantIs(t, err, net.ErrClosed)
		wantIs(t, client.Close(), net.ErrClosed)
		server.Reset()
		_, err = server.Write([]byte("x"))
		wantIs(t, err, net.ErrClosed)
		var op *net.OpError
		if !errors.As(err, &op) {
			t.Errorf("%v is no *net.OpError", err)
		}
	})
}

// TestFlush waits for what a closed rock has still to deliver.
func TestFlush(t *testing.T) {
	inWorld(t, plan{}, func(t *testing.T, w *world) {
		client, server := w.dial()
		w.suspendedBoth(client, server)
		io.WriteString(client, "delayed")
		client.Close()
		go func() {
			time.Sleep(time.Hour)
			w.net.Path(w.a, w.b).Heal()
		}()
		start := time.Now()
		if err := w.client.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < time.Hour || took > time.Hour+10*time.Second {
			t.Errorf("flushed after %v", took)
		}
		if got, err := io.ReadAll(server); string(got) != "delayed" || err != nil {
			t.Errorf("read %q, error %v", got, err)
		}
	})
}
