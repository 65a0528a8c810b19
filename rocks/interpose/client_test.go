package interpose

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// ordinaryServer answers every connection with what was sent, reversed.
func ordinaryServer(t *testing.T, address string) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", address)
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
				b, _ := io.ReadAll(c)
				fmt.Fprintf(c, "got %q", b)
			}()
		}
	}()
	return l.Addr()
}

// freeAddress returns an address of this host that nobody listens on.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestOrdinaryServer compares what a client sees of an ordinary server with
// and without interposition.
func TestOrdinaryServer(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, program := range []string{"connect", "connect-nb"} {
			t.Run(program+" "+host, func(t *testing.T) {
				addr := ordinaryServer(t, net.JoinHostPort(host, "0")).String()
				want := plainly(t, program, addr, "hello")
				if !strings.Contains(want, `got "hello"`) {
					t.Fatalf("plain run says %q", want)
				}
				for _, what := range []string{"unknown", "known"} {
					g := supervise(t, program, addr, "hello")
					if got := g.all(); got != want {
						t.Errorf("%s peer: got\n%s\nwant\n%s", what, got, want)
					}
					g.success()
				}
			})
		}
	}
}

// TestConnectErrors compares failed connects with and without interposition.
func TestConnectErrors(t *testing.T) {
	tests := map[string]string{
		"refused":    freeAddress(t, "127.0.0.1"),
		"refused v6": freeAddress(t, "::1"),
		"no scope":   "[fe80::1]:7",
		"broadcast":  "255.255.255.255:7",
		"port zero":  "127.0.0.1:0",
	}
	for name, addr := range tests {
		for _, program := range []string{"connect", "connect-nb"} {
			t.Run(program+" "+name, func(t *testing.T) {
				want := plainly(t, program, addr, "hello")
				g := supervise(t, program, addr, "hello")
				if got := g.all(); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// TestOthers checks that calls which are none of our business end as always.
func TestOthers(t *testing.T) {
	want := plainly(t, "others", t.TempDir())
	g := supervise(t, "others", t.TempDir())
	if got := g.all(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	g.success()
}

// TestSharedSocket uses a connection through a duplicate made before connect
// and a descriptor that was passed on.
func TestSharedSocket(t *testing.T) {
	addr := ordinaryServer(t, "127.0.0.1:0").String()
	want := plainly(t, "share", addr, "hello")
	g := supervise(t, "share", addr, "hello")
	if got := g.all(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	g.success()
}
