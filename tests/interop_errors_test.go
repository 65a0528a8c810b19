package tests

import (
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// clientErrors are programs that meet an error when they connect to ADDR.
var clientErrors = []struct {
	name string
	argv []string
}{
	{"blocking", talk("dial=ADDR connect")},
	{"non-blocking", talk("dial=ADDR nonblock connect ready error error")},
	{"poll events", talk("dial=ADDR nonblock connect wait error")},
	{"netcat", []string{"nc", "-v", "HOST", "PORT"}},
	{"python", []string{harness.Python, "-c", "import socket; socket.create_connection(('HOST', PORT))"}},
	{"bash", []string{"bash", "-c", "exec 3<>/dev/tcp/HOST/PORT"}},
	{"go", []string{"stream", "-dial", "ADDR"}},
}

// failures are places where connecting fails, each with what the kernel calls it.
var failures = []struct {
	name, host, port, errno string
	arrange                 func(l *lab.Lab)
}{
	{name: "refused", host: "10.1.2.2", port: "9", errno: "ECONNREFUSED"},
	{name: "no route", host: "10.1.77.2", port: "9", errno: "ENETUNREACH"},
	{name: "host unreachable", host: "10.1.2.99", port: "9", errno: "EHOSTUNREACH"},
	{name: "refused over IPv6", host: "fd00:1:2::2", port: "9", errno: "ECONNREFUSED"},
	{name: "prohibited", host: "10.2.2.2", port: "9", errno: "EHOSTUNREACH", arrange: func(l *lab.Lab) {
		l.Filter(2, "reject with icmp type admin-prohibited")
	}},
	{name: "timed out", host: "10.1.2.2", port: "9", errno: "ETIMEDOUT", arrange: func(l *lab.Lab) {
		l.A.Sysctl("ipv4/tcp_syn_retries", "1")
		l.Swallow(1, true)
	}},
}

// Programs meet the same errors, in the same words and with the same exit status,
// under rock as without.
func TestInteroperationErrors(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			if f.arrange != nil {
				f.arrange(l)
			}
			for _, c := range clientErrors {
				switch {
				case c.name == "bash" && strings.Contains(f.host, ":"):
					continue // it knows no IPv6 addresses
				case c.name == "poll events" && strings.HasSuffix(f.errno, "UNREACH"):
					continue // the kernel raises them one by one when an ICMP message comes
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					run := func(s harness.Side) string {
						res := harness.Spec{Host: l.A, Side: s, Argv: at(t, c.argv, f.host, f.port)}.Run(t)
						return timeless(said("client", res, -1))
					}
					want := run(harness.Plain)
					if argv := c.argv[0]; argv == "talk" && !strings.Contains(want, f.errno) {
						t.Fatalf("the plain run does not show %s:\n%s", f.errno, want)
					}
					harness.SkipUnlessPlain(t, harness.Rock)
					if got := run(harness.Rock); got != want {
						t.Errorf("with rock:\n%s\nwithout:\n%s", got, want)
					}
				})
			}
		})
	}
}

// at puts an address into a command line.
func at(t *testing.T, argv []string, host, port string) []string {
	address := host + ":" + port
	if strings.Contains(host, ":") {
		address = "[" + host + "]:" + port
	}
	r := strings.NewReplacer("ADDR", address, "HOST", host, "PORT", port)
	filled := make([]string, len(argv))
	for i, a := range argv {
		filled[i] = r.Replace(a)
	}
	if filled[0] == "talk" || filled[0] == "stream" {
		filled[0] = harness.Program(t, filled[0])
	}
	return filled
}

// timeless takes the times out of what the stream program prints.
func timeless(text string) string {
	before, rest, found := strings.Cut(text, `"time":`)
	if !found {
		return text
	}
	_, after, _ := strings.Cut(rest, ",")
	return before + after
}
