package tests

import (
	"fmt"
	"strconv"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// startServer starts servers.py on a host.
func startServer(t *testing.T, h *lab.Host, s harness.Side, args ...string) *harness.Proc {
	t.Helper()
	p := harness.Spec{Host: h, Side: s, Argv: append([]string{harness.Python, harness.Program(t, "servers.py")}, args...)}.Start(t)
	p.WaitOutput(t, "listening")
	return p
}

// ask has many connections made to a server at once and returns what was answered.
func ask(t *testing.T, h *lab.Host, s harness.Side, count int, host string, port int) string {
	t.Helper()
	return harness.Spec{Host: h, Side: s, Argv: []string{harness.Python, harness.Program(t, "servers.py"),
		"client", strconv.Itoa(count), "300000", host, strconv.Itoa(port)}}.Output(t)
}

// Servers of every design serve many clients at once, whichever ends are rocks.
func TestServerDesigns(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7500
	for _, design := range []string{"threaded", "forking", "prefork"} {
		check := func(t *testing.T, client, server harness.Side) {
			port++
			srv := startServer(t, l.B, server, design, "0.0.0.0", strconv.Itoa(port), design)
			want := fmt.Sprintf("24 x %s %s\n", design, l.A.Addr(1))
			for range 2 { // the second time the server is known for what it is
				if got := ask(t, l.A, client, 24, l.B.Addr(1).String(), port); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			srv.Stop(t)
		}
		t.Run(design, func(t *testing.T) { everyMix(t, check) })
	}
}

// A server that serves one client serves the first that speaks to it, and no probe.
func TestServerOneShot(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7550
	check := func(t *testing.T, client, server harness.Side) {
		port++
		srv := startServer(t, l.B, server, "oneshot", "0.0.0.0", strconv.Itoa(port), "only")
		want := fmt.Sprintf("1 x only %s\n", l.A.Addr(1))
		if got := ask(t, l.A, client, 1, l.B.Addr(1).String(), port); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if res := srv.Wait(t); res.Code != 0 {
			t.Errorf("server: exit status %d", res.Code)
		}
	}
	everyMix(t, check)
}

// IPv4, IPv6, both on one socket, and both on two sockets of the same port, one of
// which is for IPv6 only: each client meets the right server and is called by the
// address that it would have without rock.
func TestServerFamilies(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7600
	v4, v6 := l.B.Addr(1).String(), l.B.Addr6(1).String()
	for _, tt := range []struct {
		name    string
		servers [][]string // arguments; PORT is added before the label
		answer4 string     // "" if nobody should answer
		answer6 string
	}{
		{"IPv4", [][]string{{"0.0.0.0"}}, "0.0.0.0 " + l.A.Addr(1).String(), ""},
		{"IPv6 only", [][]string{{"--v6only", "::"}}, "", ":: " + l.A.Addr6(1).String()},
		{"both on one socket", [][]string{{"::"}}, ":: ::ffff:" + l.A.Addr(1).String(), ":: " + l.A.Addr6(1).String()},
		{"both on two sockets", [][]string{{"0.0.0.0"}, {"--v6only", "::"}},
			"0.0.0.0 " + l.A.Addr(1).String(), ":: " + l.A.Addr6(1).String()},
		{"one address each", [][]string{{v4}, {v6}}, v4 + " " + l.A.Addr(1).String(), v6 + " " + l.A.Addr6(1).String()},
	} {
		check := func(t *testing.T, client, server harness.Side) {
			port++
			p := strconv.Itoa(port)
			for _, args := range tt.servers {
				label := args[len(args)-1]
				startServer(t, l.B, server, append(append([]string{"threaded"}, args...), p, label)...)
			}
			for host, answer := range map[string]string{v4: tt.answer4, v6: tt.answer6} {
				if answer == "" {
					if res := (harness.Spec{Host: l.A, Side: client, Argv: []string{"nc", "-z", host, p}}).Run(t); res.Code == 0 {
						t.Errorf("somebody listens on %s", host)
					}
				} else if got, want := ask(t, l.A, client, 4, host, port), "4 x "+answer+"\n"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
		t.Run(tt.name, func(t *testing.T) { everyMix(t, check) })
	}
}
