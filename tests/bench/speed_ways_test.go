package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// route is where a server and a client are, and how the one is reached from the other.
type route struct {
	server, client *lab.Host
	at             netip.Addr
}

// loopback is within one host.
func loopback(t testing.TB) route {
	l := lab.New(t)
	return route{l.A, l.A, netip.AddrFrom4([4]byte{127, 0, 0, 1})}
}

// twoHosts is from one host to another, with a router on the way. The hosts share this machine's processors.
func twoHosts(t testing.TB) route {
	l := lab.New(t)
	return route{l.B, l.A, l.B.Addr(1)}
}

// cable is from one host to another over a wire of one gigabit per second, which is so long that there and back takes rtt milliseconds.
func cable(rtt int) func(t testing.TB) route {
	return func(t testing.TB) route {
		l := lab.New(t)
		for _, h := range []*lab.Host{l.A, l.B} {
			for _, which := range []string{"rmem", "wmem"} { // or plain TCP could not fill a long cable
				h.Sysctl("ipv4/tcp_"+which, "'4096 131072 67108864'")
			}
		}
		w := exec.Command(harness.Program(t, "wire"), "-rate", "1000", "-delay", fmt.Sprintf("%gms", float64(rtt)/2), "-queue", "8000000",
			l.A.Netns(), "10.9.0.1/24", l.B.Netns(), "10.9.0.2/24")
		w.Stderr = os.Stderr
		out, err := w.StdoutPipe()
		if err == nil {
			err = w.Start()
		}
		if err != nil {
			t.Fatalf("start wire: %v", err)
		}
		t.Cleanup(func() { w.Process.Kill(); w.Wait() })
		if n, err := out.Read(make([]byte, 2)); n != 2 {
			t.Fatalf("wire is not up: %v", err)
		}
		return route{l.B, l.A, netip.MustParseAddr("10.9.0.2")}
	}
}

// way is how a client's connection gets to its server.
type way struct {
	name           string
	server, client harness.Side
	// through sets something up on the route that leads to a port of the server, and says where the client connects to instead.
	through func(t testing.TB, r route, port int) netip.AddrPort
	prefix  []string // before the command lines of both
}

var (
	plainly      = way{name: "plain"}
	underRock    = way{name: "rock", server: harness.Rock, client: harness.Rock}
	clientUnder  = way{name: "client under rock", client: harness.Rock}
	serverUnder  = way{name: "server under rock", server: harness.Rock}
	bySSH        = way{name: "ssh -L", through: throughSSH}
	bySocat      = way{name: "socat", through: throughSocat}
	byStunnel    = way{name: "stunnel", through: throughStunnel}
	byMPTCP      = way{name: "MPTCP", prefix: []string{"mptcpize", "run"}}
	everyWay     = []way{plainly, underRock, byMPTCP, bySocat, bySSH, byStunnel}
	ordinaryWays = []way{plainly, clientUnder, serverUnder, underRock}
)

const servicePort, tunnelPort, tunnelEnd = 5201, 5202, 5203

// serve starts a server and says where its clients are to connect to. It waits for the server, not for a client.
func (w way) serve(t testing.TB, r route, argv ...string) netip.AddrPort {
	t.Helper()
	harness.Spec{Host: r.server, Side: w.server, Argv: append(append([]string{}, w.prefix...), argv...)}.Start(t)
	harness.WaitListening(t, r.server, servicePort)
	if w.through != nil {
		return w.through(t, r, servicePort)
	}
	return netip.AddrPortFrom(r.at, servicePort)
}

// ask runs a client to its end.
func (w way) ask(t testing.TB, r route, argv ...string) string {
	t.Helper()
	return harness.Spec{Host: r.client, Side: w.client, Argv: append(append([]string{}, w.prefix...), argv...)}.Output(t)
}

// here is where a client finds the near end of a tunnel.
func here() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), tunnelPort)
}

func throughSSH(t testing.TB, r route, port int) netip.AddrPort {
	s := harness.StartSSH(t, r.server, harness.Plain)
	forward := fmt.Sprintf("127.0.0.1:%d:%v:%d", tunnelPort, r.at, port)
	harness.Spec{Host: r.client, Argv: s.Client("ssh", "-N", "-o", "HostName="+r.at.String(), "-o", "StrictHostKeyChecking=no", "-L", forward, "server")}.Start(t)
	harness.WaitListening(t, r.client, tunnelPort)
	return here()
}

func throughSocat(t testing.TB, r route, port int) netip.AddrPort {
	relay := func(h *lab.Host, listen int, to netip.AddrPort) {
		harness.Spec{Host: h, Argv: []string{"socat", "-b", "131072", fmt.Sprintf("TCP-LISTEN:%d,fork,reuseaddr,nodelay", listen),
			fmt.Sprintf("TCP:%v,nodelay", to)}}.Start(t)
		harness.WaitListening(t, h, listen)
	}
	relay(r.server, tunnelEnd, netip.AddrPortFrom(r.at, uint16(port)))
	relay(r.client, tunnelPort, netip.AddrPortFrom(r.at, tunnelEnd))
	return here()
}

func throughStunnel(t testing.TB, r route, port int) netip.AddrPort {
	dir := harness.TempDir(t)
	cert := filepath.Join(dir, "cert.pem")
	make := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "1", "-keyout", cert, "-out", filepath.Join(dir, "only"))
	out, err := make.CombinedOutput()
	only, readErr := os.ReadFile(filepath.Join(dir, "only"))
	key, _ := os.ReadFile(cert)
	if err != nil || readErr != nil {
		t.Fatalf("make a certificate: %v %v\n%s", err, readErr, out)
	}
	end := func(h *lab.Host, name, listen string, to netip.AddrPort, client bool) {
		conf := filepath.Join(dir, name+".conf")
		lines := []string{"foreground = yes", "pid =", "[bench]", "accept = " + listen, "connect = " + to.String(), "socket = l:TCP_NODELAY=1", "socket = r:TCP_NODELAY=1"}
		if client {
			lines = append(lines, "client = yes")
		} else {
			lines = append(lines, "cert = "+cert)
		}
		if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		harness.Spec{Host: h, Argv: []string{"stunnel4", conf}}.Start(t)
	}
	if err := os.WriteFile(cert, append(key, only...), 0o600); err != nil {
		t.Fatal(err)
	}
	end(r.server, "server", ":::"+strconv.Itoa(tunnelEnd), netip.AddrPortFrom(r.at, uint16(port)), false)
	harness.WaitListening(t, r.server, tunnelEnd)
	end(r.client, "client", here().String(), netip.AddrPortFrom(r.at, tunnelEnd), true)
	harness.WaitListening(t, r.client, tunnelPort)
	return here()
}

// inWays makes a variant of each way.
func inWays(ways []way, measure func(t testing.TB, w way) []float64) []*variant {
	var all []*variant
	for _, w := range ways {
		all = append(all, &variant{Name: w.name, measure: func(t testing.TB) []float64 { return measure(t, w) }})
	}
	return all
}
