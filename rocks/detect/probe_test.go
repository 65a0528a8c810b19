package detect

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks/wire"
)

// probeConn is the client's end of a probe in memory. It fails the test if
// anything is written, and tells the other end of the half-close.
type probeConn struct {
	net.Conn
	t       *testing.T
	fin     chan struct{}
	closed  bool
	halfErr error // returned by CloseWrite
	readErr error // returned by Read in place of EOF
}

func (c *probeConn) Write(b []byte) (int, error) {
	c.t.Errorf("%d bytes written on a probe", len(b))
	return len(b), nil
}

func (c *probeConn) CloseWrite() error {
	close(c.fin)
	return c.halfErr
}

func (c *probeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == io.EOF && c.readErr != nil {
		err = c.readErr
	}
	return n, err
}

func (c *probeConn) Close() error {
	c.closed = true
	return c.Conn.Close()
}

// serve is the other end: it runs once the probe has been half-closed, and the
// connection ends when it returns.
type serve func(net.Conn)

// probe runs Probe against a server in memory and checks what holds for every
// probe: the mark, the half-close, the silence, the close.
func probe(t *testing.T, ctx context.Context, server serve, change func(*probeConn), rtt time.Duration) (wire.Announcement, Verdict, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	conn := &probeConn{Conn: ours, t: t, fin: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		<-conn.fin
		server(theirs)
		theirs.Close()
	})
	defer wg.Wait()
	defer theirs.Close()
	announced, verdict, err := Probe(ctx, func(_ context.Context, mss int) (net.Conn, error) {
		if mss != ProbeMSS {
			t.Errorf("dialled with MSS %d, want %d", mss, ProbeMSS)
		}
		if change != nil {
			change(conn)
		}
		return conn, nil
	}, rtt)
	if !conn.closed {
		t.Error("the probe was not closed")
	}
	return announced, verdict, err
}

var announced = wire.Announcement{Versions: wire.Supported(), Instance: wire.Instance{1, 2, 3}, Held: true}

func send(b []byte) serve { return func(c net.Conn) { c.Write(b) } }

// silent waits until the probe is closed.
func silent(c net.Conn) { io.Copy(io.Discard, c) }

func TestProbe(t *testing.T) {
	message := wire.AppendMessage(nil, &announced)
	other := announced
	other.Versions = wire.Versions{Min: wire.MaxVersion + 1, Max: wire.MaxVersion + 1}
	layout := wire.AppendMessage(nil, &announced)
	layout[wire.MagicSize] = wire.MaxVersion + 1
	tests := []struct {
		name   string
		server serve
		change func(*probeConn)
		want   Verdict
		took   time.Duration
	}{
		{"announcement", send(message), nil, Rock, 0},
		{"announcement and more", send(append(message, "more"...)), nil, Rock, 0},
		{"announcement in bytes", func(c net.Conn) {
			for i := range message {
				time.Sleep(time.Millisecond)
				c.Write(message[i : i+1])
			}
		}, nil, Rock, time.Duration(len(message)) * time.Millisecond},
		{"EOF", send(nil), nil, Ordinary, 0},
		{"banner", func(c net.Conn) { c.Write([]byte("S")); silent(c) }, nil, Ordinary, 0},
		{"part of the magic, then EOF", send(message[:4]), nil, Ordinary, 0},
		{"part of the announcement, then silence", func(c net.Conn) { c.Write(message[:20]); silent(c) }, nil, Doubtful, 240 * time.Millisecond},
		{"malformed", send([]byte(wire.Magic + "\x01\x01\x00\x01\x00")), nil, Ordinary, 0},
		{"another message", send(wire.AppendMessage(nil, &wire.Refuse{Reason: wire.ReasonBusy, Versions: wire.Supported()})), nil, Ordinary, 0},
		{"no common version", send(wire.AppendMessage(nil, &other)), nil, Ordinary, 0},
		{"unknown layout", send(layout), nil, Ordinary, 0},
		{"silence", silent, nil, Doubtful, 240 * time.Millisecond},
		{"reset", send(nil), func(c *probeConn) { c.readErr = syscall.ECONNRESET }, Doubtful, 0},
		{"reset before the half-close", silent, func(c *probeConn) {
			c.halfErr = &net.OpError{Op: "close", Err: os.NewSyscallError("shutdown", syscall.ENOTCONN)}
		}, Doubtful, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got, verdict, err := probe(t, t.Context(), tt.server, tt.change, 10*time.Millisecond)
				if verdict != tt.want || err != nil {
					t.Errorf("Probe = %v, %v, want %v", verdict, err, tt.want)
				}
				want := wire.Announcement{}
				if tt.want == Rock {
					want = announced
				}
				if got != want {
					t.Errorf("Probe announcement = %+v, want %+v", got, want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("Probe took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

func TestProbeNetworkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, verdict, err := probe(t, t.Context(), send(nil), func(c *probeConn) { c.readErr = syscall.EHOSTUNREACH }, 0)
		if verdict != Unknown || !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("Probe = %v, %v, want unknown, EHOSTUNREACH", verdict, err)
		}
	})
}

func TestProbeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, verdict, err := probe(t, ctx, silent, nil, time.Second)
		if verdict != Unknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Probe = %v, %v, want unknown, context.DeadlineExceeded", verdict, err)
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("Probe took %v, want 50ms", took)
		}
	})
}

// TestProbeUnknownRTT checks that a slow path is given time although nobody knows
// its round-trip time.
func TestProbeUnknownRTT(t *testing.T) {
	for _, tt := range []struct{ dial, want time.Duration }{
		{time.Millisecond, 600 * time.Millisecond},
		{300 * time.Millisecond, 1400 * time.Millisecond},
		{time.Second, LongHold},
	} {
		synctest.Test(t, func(t *testing.T) {
			var connected time.Time
			_, verdict, err := probe(t, t.Context(), silent, func(c *probeConn) {
				time.Sleep(tt.dial)
				connected = time.Now()
			}, 0)
			if verdict != Doubtful || err != nil {
				t.Errorf("Probe = %v, %v, want doubtful", verdict, err)
			}
			if got := time.Since(connected); got != tt.want {
				t.Errorf("Probe waited %v after a dial of %v, want %v", got, tt.dial, tt.want)
			}
		})
	}
}

func TestProbeDialFails(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Verdict
	}{
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, Doubtful},
		{"reset", syscall.ECONNRESET, Doubtful},
		{"unreachable", syscall.EHOSTUNREACH, Unknown},
		{"timed out", syscall.ETIMEDOUT, Unknown},
		{"deadline", os.ErrDeadlineExceeded, Unknown},
		{"EOF", io.EOF, Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, verdict, err := Probe(t.Context(), func(context.Context, int) (net.Conn, error) { return nil, tt.err }, 0)
			if verdict != tt.want {
				t.Errorf("Probe = %v, want %v", verdict, tt.want)
			}
			if unknown := tt.want == Unknown; unknown != errors.Is(err, tt.err) {
				t.Errorf("Probe error = %v", err)
			}
		})
	}
}

// TestProbeNeedsHalfClose checks that a connection that can not be half-closed is
// closed and says nothing about the peer.
func TestProbeNeedsHalfClose(t *testing.T) {
	ours, theirs := net.Pipe()
	_, verdict, err := Probe(t.Context(), func(context.Context, int) (net.Conn, error) { return ours, nil }, 0)
	if verdict != Unknown || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Probe = %v, %v, want unknown, errors.ErrUnsupported", verdict, err)
	}
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end reads %v, want EOF", err)
	}
}

func TestAnswerTime(t *testing.T) {
	tests := []struct{ rtt, want time.Duration }{
		{0, 600 * time.Millisecond},
		{time.Millisecond, 204 * time.Millisecond},
		{200 * time.Millisecond, time.Second},
		{5 * time.Second, LongHold},
	}
	for _, tt := range tests {
		if got := AnswerTime(tt.rtt); got != tt.want {
			t.Errorf("AnswerTime(%v) = %v, want %v", tt.rtt, got, tt.want)
		}
	}
}
