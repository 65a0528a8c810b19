package tests

import (
	"fmt"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// talkers is a conversation between two programs. ADDR and PORT in the command
// lines are replaced.
type talkers struct {
	name                     string
	server, client           []string
	serverStdin, clientStdin string
	shows                    string // must be in what the client of the plain run prints
}

func talk(steps string) []string { return append([]string{"talk"}, strings.Fields(steps)...) }

var conversations = []talkers{{
	name:   "client speaks first",
	server: talk("listen=ADDR accept recv send=answer recvall close"),
	client: talk("dial=ADDR connect peer local send=question recv shutdown recvall"),
	shows:  `recv: "answer"`,
}, {
	name:   "server speaks first",
	server: talk("listen=ADDR accept send=welcome recv send=bye close"),
	client: talk("dial=ADDR connect recv send=hello recvall close"),
	shows:  `recv: "welcome"`,
}, {
	name:   "client speaks late",
	server: talk("listen=ADDR accept recv send=answer close"),
	client: talk("dial=ADDR connect pause=2s send=question recvall close"),
	shows:  `recvall: "answer" then end`,
}, {
	name:   "nobody speaks",
	server: talk("listen=ADDR accept recv close"),
	client: talk("dial=ADDR connect pause=1s close"),
	shows:  "close: ok",
}, {
	name:   "server closes at once",
	server: talk("listen=ADDR accept close"),
	client: talk("dial=ADDR connect recv"),
	shows:  "recv: end",
}, {
	name:   "server closes its sending side first",
	server: talk("listen=ADDR accept send=all shutdown recvall close"),
	client: talk("dial=ADDR connect recvall send=thanks close"),
	shows:  `recvall: "all" then end`,
}, {
	name:   "server resets",
	server: talk("listen=ADDR accept recv send=something pause=300ms reset"),
	client: talk("dial=ADDR connect send=x recv recv recv"),
	shows:  "recv: ECONNRESET",
}, {
	name:   "client resets",
	server: talk("listen=ADDR accept recv send=go recv recv close"),
	client: talk("dial=ADDR connect send=x recv reset"),
	shows:  "reset: ok",
}, {
	name:   "non-blocking connect",
	server: talk("listen=ADDR accept recvall close"),
	client: talk("dial=ADDR nonblock connect wait error peer send=x shutdown close"),
	shows:  "connect: EINPROGRESS\nwait: OUT\nerror: ok",
}, {
	name:        "one-shot netcat",
	server:      []string{"nc", "-l", "-N", "-p", "PORT"},
	client:      []string{"nc", "-N", "HOST", "PORT"},
	serverStdin: "from the server\n",
	clientStdin: "from the client\n",
	shows:       "from the server",
}, {
	name:        "half-closing netcat",
	server:      []string{"socat", "TCP-LISTEN:PORT,reuseaddr", "SYSTEM:sha256sum"},
	client:      []string{"nc", "-N", "HOST", "PORT"},
	clientStdin: strings.Repeat("0123456789abcdef", 1<<16),
	shows:       "  -",
}, {
	name:        "netcat that sends and leaves",
	server:      []string{"nc", "-l", "-p", "PORT"},
	client:      []string{"sh", "-c", "printf 'fire and forget' | nc -q 0 HOST PORT"},
	serverStdin: "",
}}

// Every conversation is the same whichever of its ends are under rock.
func TestInteroperation(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7200
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			port++
			want := converse(t, l, c, harness.Plain, harness.Plain, port)
			if !strings.Contains(want, c.shows) {
				t.Fatalf("the plain run does not show %q:\n%s", c.shows, want)
			}
			eachMix(t, func(t *testing.T, client, server harness.Side) {
				port++
				got := converse(t, l, c, client, server, port)
				if got != want {
					t.Errorf("with rock:\n%s\nwithout:\n%s", got, want)
				}
			})
		})
	}
}

// Middleboxes change the MSS, which carries the marks. Whatever becomes of those, programs
// talk as ever.
func TestInteroperationMarksLost(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7350
	for _, mss := range []string{"1360", "1220", "1200", "536"} {
		t.Run("clamped to "+mss, func(t *testing.T) {
			l.Filter(1, "tcp", "flags", "&", "(syn|rst)", "==", "syn", "tcp", "option", "maxseg", "size", "set", mss)
			port++
			c := conversations[0]
			want := converse(t, l, c, harness.Plain, harness.Plain, port)
			eachMix(t, func(t *testing.T, client, server harness.Side) {
				port++
				if got := converse(t, l, c, client, server, port); got != want {
					t.Errorf("with rock:\n%s\nwithout:\n%s", got, want)
				}
			})
		})
	}
}

// everyMix runs f with every mix of sides, both plain first.
func everyMix(t *testing.T, f func(t *testing.T, client, server harness.Side)) {
	t.Run("plain client, plain server", func(t *testing.T) { f(t, harness.Plain, harness.Plain) })
	eachMix(t, f)
}

// eachMix runs f with every mix of sides but plain and plain.
func eachMix(t *testing.T, f func(t *testing.T, client, server harness.Side)) {
	for _, mix := range [][2]harness.Side{
		{harness.Plain, harness.Rock}, {harness.Rock, harness.Plain}, {harness.Rock, harness.Rock},
	} {
		client, server := mix[0], mix[1]
		t.Run(client.String()+" client, "+server.String()+" server", func(t *testing.T) {
			harness.SkipUnlessPlain(t, client, server)
			f(t, client, server)
		})
	}
}

// converse runs a conversation and returns everything that its programs said,
// with the port, which differs from run to run, taken out.
func converse(t *testing.T, l *lab.Lab, c talkers, client, server harness.Side, port int) string {
	t.Helper()
	s := harness.Spec{Host: l.B, Side: server, Argv: fill(t, c.server, l, port), Stdin: strings.NewReader(c.serverStdin)}.Start(t)
	harness.WaitListening(t, l.B, port)
	cl := harness.Spec{Host: l.A, Side: client, Argv: fill(t, c.client, l, port), Stdin: strings.NewReader(c.clientStdin)}.Run(t)
	return said("client", cl, port) + said("server", s.Wait(t), port)
}

func said(who string, r harness.Result, port int) string {
	text := fmt.Sprintf("-- %s, exit status %d\n%s%s", who, r.Code, r.Stdout, r.Stderr)
	return strings.ReplaceAll(text, fmt.Sprint(port), "PORT")
}

// fill puts the server's address into a command line.
func fill(t *testing.T, argv []string, l *lab.Lab, port int) []string {
	r := strings.NewReplacer("ADDR", harness.At(l.B, 1, port).String(),
		"HOST", l.B.Addr(1).String(), "PORT", fmt.Sprint(port))
	filled := make([]string, len(argv))
	for i, a := range argv {
		filled[i] = r.Replace(a)
	}
	if filled[0] == "talk" {
		filled[0] = harness.Program(t, "talk")
	}
	return filled
}

// Both ends agree on the addresses of a connection, ports included.
func TestInteroperationAddresses(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	port := 7300
	check := func(t *testing.T, client, server harness.Side) {
		port++
		at := harness.At(l.B, 1, port).String()
		s := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: server, ClientSide: client,
			Idle: true, At: harness.At(l.B, 1, port)}.Start(t)
		atClient, atServer := connected(t, s, s.Client), connected(t, s, s.Server)
		s.Finish(t)
		if atClient.Remote != at || atServer.Local != "["+l.B.Addr(1).String()+"]" && atServer.Local != at {
			t.Errorf("server is %s, called %s by the client and %s by itself", at, atClient.Remote, atServer.Local)
		}
		if atClient.Local != atServer.Remote || !strings.HasPrefix(atClient.Local, l.A.Addr(1).String()+":") {
			t.Errorf("client calls itself %s, the server calls it %s", atClient.Local, atServer.Remote)
		}
	}
	everyMix(t, check)
}

func connected(t *testing.T, tr *harness.Transfer, p *harness.Proc) harness.Event {
	t.Helper()
	p.WaitOutput(t, `"connected".*\n`)
	for _, e := range tr.Events(p) {
		if e.Event == "connected" {
			return e
		}
	}
	t.Fatal("no connected event")
	return harness.Event{}
}
