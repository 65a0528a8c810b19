package interpose

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// ask sends text to a server over a plain connection and returns the answer.
func ask(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, text); err != nil {
		t.Errorf("ask %s: %v", addr, err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Errorf("ask %s: %v", addr, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("ask %s: %v after %q", addr, err, b)
	}
	return string(b)
}

// TestOrdinaryClient serves clients without rocks, one after the other and
// many at once, from blocking and from edge-triggered servers.
func TestOrdinaryClient(t *testing.T) {
	const clients = 40
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, program := range []string{"serve", "serve-nb"} {
			t.Run(program+" "+host, func(t *testing.T) {
				g := supervise(t, program, net.JoinHostPort(host, "0"), fmt.Sprint(clients))
				addr := g.line()
				answers := make(chan string, clients)
				for i := range clients / 2 {
					if got, want := ask(t, addr, fmt.Sprint("a", i)), fmt.Sprintf("A%d named=true err=<nil>", i); got != want {
						t.Fatalf("answer %q, want %q", got, want)
					}
				}
				for range clients / 2 {
					go func() { answers <- ask(t, addr, "b") }()
				}
				for range clients / 2 {
					if got, want := <-answers, "B named=true err=<nil>"; got != want {
						t.Errorf("answer %q, want %q", got, want)
					}
				}
				if program == "serve-nb" {
					g.expect("left over: 0 resource temporarily unavailable")
				}
				g.stdin.Close()
				g.success()
			})
		}
	}
}

// TestInterruptedAccept sends a signal to a program that blocks in accept: the
// handler must run while the call waits, and the call must go on.
func TestInterruptedAccept(t *testing.T) {
	g := supervise(t, "interrupt", "127.0.0.1:0")
	addr := g.line()
	eventually(t, "the program blocks in accept", func() bool { return len(g.ip.waiting.all()) == 1 })
	if err := g.process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	g.expect("caught")
	if got, want := ask(t, addr, "x"), "X named=true err=<nil>"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	g.success()
}

// TestRelisten closes a listener and binds its port again at once, and checks
// that clients are refused after the last close.
func TestRelisten(t *testing.T) {
	g := supervise(t, "relisten", "127.0.0.1:0")
	addr := g.line()
	for range 10 {
		g.say("again")
		g.expect(addr)
	}
	g.say("close")
	g.expect("closed")
	eventually(t, "clients are refused", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// TestUnacceptedClients closes a listener with clients in its queue: they are
// reset, as the kernel does it.
func TestUnacceptedClients(t *testing.T) {
	g := supervise(t, "relisten", "127.0.0.1:0")
	addr := g.line()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := g.ip.sockets.allListeners()[0]
	eventually(t, "the client waits for accept", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting) == 1
	})
	g.say("close")
	g.expect("closed")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); errnoOf(err, 0) != syscall.ECONNRESET {
		t.Errorf("read of a client that nobody accepts: %v, want connection reset", err)
	}
}

// eventually waits for a condition that other goroutines or processes bring
// about, and fails the test if it does not come.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
