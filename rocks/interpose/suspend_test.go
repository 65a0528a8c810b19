package interpose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func aMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestSuspendUnaccepted suspends a server with a client in its accept queue that has sent already.
func TestSuspendUnaccepted(t *testing.T) { bothWays(t, testSuspendUnaccepted) }

func testSuspendUnaccepted(t *testing.T, apart bool) {
	s := supervise(t, "accept-late", "127.0.0.1:0")
	c := supervise(t, "connect", s.line(), "hello")
	for range 3 {
		eventually(t, "the server has the rock and all that the client sent", func() bool {
			conns := s.endpoint.Conns()
			return len(conns) == 1 && conns[0].State == "established" && conns[0].Received == 5
		})
		s.stopped(func() {
			var w []DeliveryState
			sp := s.suspend(aMinute(t), apart)
			throughImage(t, sp.State())
			for _, l := range sp.State().Listeners {
				w = append(w, l.Waiting...)
			}
			if len(w) != 1 || len(sp.State().Legs) != 0 {
				t.Errorf("%d rocks wait, %d have legs; want one that waits", len(w), len(sp.State().Legs))
			} else if got := string(w[0].ToProgram) + string(sp.State().Rocks[w[0].Rock].Input); got != "hello" {
				t.Errorf("%q waits, want hello", got)
			}
			s.resume(sp)
		})
	}
	s.say("go on")
	s.success()
	c.line() // peer
	c.expect("named true")
	c.expect("HELLO named=true err=<nil>")
	c.success()
}

// TestSuspendConnecting suspends a client whose connect is under way: nobody answers its SYN until later.
func TestSuspendConnecting(t *testing.T) {
	for _, program := range []string{"connect", "connect-nb"} {
		t.Run(program, func(t *testing.T) {
			bothWays(t, func(t *testing.T, apart bool) { testSuspendConnecting(t, program, apart) })
		})
	}
}

func testSuspendConnecting(t *testing.T, program string, apart bool) {
	var quiet hold // its listener drops every SYN until its queue is emptied
	quiet.family = unix.AF_INET
	if err := quiet.listen(netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(quiet.filler)
	c := supervise(t, program, quiet.addr.String(), "hello")
	if program == "connect-nb" {
		c.expect("connect: operation now in progress")
	}
	eventually(t, "the supervisor dials", func() bool { return len(c.ip.dialling.all()) == 1 })
	for range 2 {
		c.stopped(func() {
			sp := c.suspend(aMinute(t), apart)
			throughImage(t, sp.State())
			want := 0
			if program == "connect-nb" {
				want = 1
			}
			if got := len(sp.State().Dials); got != want {
				t.Errorf("%d dials are to be gone on with, want %d", got, want)
			}
			c.resume(sp)
		})
		eventually(t, "the supervisor dials again", func() bool { return len(c.ip.dialling.all()) == 1 })
	}
	serveHeld(t, quiet.listener)
	if program == "connect-nb" {
		c.expect("outcome: errno 0 events: 4")
		c.line() // connect again
		c.line() // and again
	}
	c.expect("peer " + quiet.addr.String())
	c.expect("named true")
	c.expect(`got "hello"`)
	c.success()
}

// TestConnectBrokenOffBefore breaks a dial off just before it begins to connect.
func TestConnectBrokenOffBefore(t *testing.T) {
	var quiet hold
	quiet.family = unix.AF_INET
	if err := quiet.listen(netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(quiet.listener)
	defer unix.Close(quiet.filler)
	fd, err := streamSocket(unix.AF_INET, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &dial{s: newSocket(0, unix.AF_INET, quiet.addr), program: fd, remote: quiet.addr, ctx: ctx}
	done := make(chan error, 1)
	go func() { done <- d.connect() }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("connected to somebody who does not answer")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the connect goes on")
	}
}

// serveHeld serves on the listener of a hold, which empties its queue.
func serveHeld(t *testing.T, fd int) {
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if b, _ := io.ReadAll(c); len(b) > 0 {
					fmt.Fprintf(c, "got %q", b)
				}
			}()
		}
	}()
}

// TestSuspendOrphan suspends a group whose program has written more than the flight log takes, and has
// ended: the rest is still in the leg.
func TestSuspendOrphan(t *testing.T) { bothWays(t, testSuspendOrphan) }

func testSuspendOrphan(t *testing.T, apart bool) {
	const bytes = 17 << 20 // the flight log has 16 MiB; a socket takes some
	s := supervise(t, "swallow", "127.0.0.1:0")
	c := supervise(t, "pour", s.line(), fmt.Sprint(bytes))
	s.expect("accepted")
	ctx := aMinute(t)
	s.stopped(func() {
		served := s.suspend(ctx, apart)
		c.say("pour")
		c.success()
		poured := c.suspendOf(ctx, nil, apart)
		legs := poured.State().Legs
		if len(legs) != 1 || legs[0].Place.valid() || !legs[0].FinDue || len(legs[0].ToPeer) == 0 {
			t.Errorf("got %d legs, want one whose program is gone", len(legs))
		}
		c.resume(poured)
		s.resume(served)
	})
	s.expect(fmt.Sprintf("got %d <nil> <nil>", bytes))
	s.success()
}

// TestPassAcrossDeadlines copies with a deadline after every few bytes: what was read and not written must not be
// lost.
func TestPassAcrossDeadlines(t *testing.T) {
	var text, got bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&text, "%d ", i)
	}
	in := bytes.NewReader(text.Bytes())
	var left []byte
	for {
		_, err := pass(&tired{w: &got, left: 777}, in, &left)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Bytes(), text.Bytes()) {
		t.Errorf("%d bytes came through, %d were sent, or not the same", got.Len(), text.Len())
	}
}

// tired is a writer that has had enough after so many bytes.
type tired struct {
	w    io.Writer
	left int
}

func (d *tired) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.left -= n
	if _, err := d.w.Write(b[:n]); err != nil {
		return 0, err
	}
	if n < len(b) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}
