package tests

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// rendezvousPort is the one that rockd serve listens at.
const rendezvousPort = 7625

// serve starts a rendezvous on C at a port.
func serve(t *testing.T, l *lab.Lab, port int, options ...string) *harness.Proc {
	t.Helper()
	p := harness.Spec{Host: l.C, Argv: append([]string{harness.Program(t, "rockd"), "serve", "--listen", ":" + strconv.Itoa(port)}, options...)}.Start(t)
	harness.WaitListening(t, l.C, port)
	return p
}

// knows is the environment of who knows of the rendezvous on C.
func knows(l *lab.Lab, ports ...int) []string {
	var all []string
	for _, port := range ports {
		all = append(all, harness.At(l.C, 1, port).String())
	}
	return []string{"ROCK_RENDEZVOUS=" + strings.Join(all, ",")}
}

// separate takes both ends from the network, waits until they know, and gives them other addresses.
func separate(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, h := range []*lab.Host{l.A, l.B} {
		h.Unplug(1)
		since(t, h, "suspended")
		h.ChangeAddr(1)
	}
}

// together brings both back, and says how long it took until there was a rock again.
func together(t *testing.T, l *lab.Lab) {
	t.Helper()
	l.A.Plug(1)
	back := l.B.Plug(1)
	wantWithin(t, "recovery", since(t, l.A, "established").Sub(back), recoverMet)
}

const recoverMet = 3 * time.Second

func meeting(t *testing.T, l *lab.Lab, ports ...int) *harness.Transfer {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: transferRate / 4, Env: knows(l, ports...)}.Start(t)
	tr.Flows(t)
	return tr
}

// Both ends change their addresses while they are apart.
func TestRendezvousBothMove(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.OnePath)
	serve(t, l, rendezvousPort, "--store", "memory")
	tr := meeting(t, l, rendezvousPort)
	for range 2 {
		separate(t, l)
		together(t, l)
		tr.Flows(t)
	}
	tr.Finish(t)
}

// What a rendezvous knows outlives it: it is started anew after both ends have left word, and before they look.
func TestRendezvousRestart(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.OnePath)
	store := filepath.Join(harness.TempDir(t), "words")
	first := serve(t, l, rendezvousPort, "--store", store)
	tr := meeting(t, l, rendezvousPort)
	separate(t, l)
	if res := first.Stop(t); res.Code != 0 {
		t.Errorf("exit status %d: %s", res.Code, res.Stderr)
	}
	serve(t, l, rendezvousPort, "--store", store)
	together(t, l)
	tr.Flows(t)
	tr.Finish(t)
}

// Routers do not let the two ends reach each other any more, as if both were behind a NAT that has forgotten them. What they
// say goes through the rendezvous, and nothing is lost.
func TestRendezvousRelay(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.OnePath)
	serve(t, l, rendezvousPort, "--store", "memory", "--metrics", ":9100", "--rate", "100000000")
	tr := meeting(t, l, rendezvousPort)
	l.Filter(1, "iifname", "{", "toA,", "toB", "}", "oifname", "{", "toA,", "toB", "}", "drop")
	since(t, l.A, "suspended")
	since(t, l.A, "established")
	tr.Flows(t)
	metrics := harness.Spec{Host: l.C, Argv: []string{"curl", "-sS", "http://127.0.0.1:9100/metrics"}}.Output(t)
	if !regexp.MustCompile(`(?m)^rockd_relay_pairs 1$`).MatchString(metrics) ||
		!regexp.MustCompile(`(?m)^rockd_relay_bytes_total [1-9]`).MatchString(metrics) {
		t.Errorf("the metrics are %s", metrics)
	}
	tr.Finish(t)
}

// Three of them share an etcd. The one that both ends have gone to is killed while they are apart.
func TestRendezvousEtcd(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.OnePath)
	const client, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	harness.Spec{Host: l.C, Argv: []string{"etcd", "--data-dir", filepath.Join(harness.TempDir(t), "etcd"), "--listen-client-urls", client,
		"--advertise-client-urls", client, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
		"--initial-cluster", "default=" + peers}}.Start(t)
	harness.WaitListening(t, l.C, 2379)
	ports := []int{rendezvousPort, rendezvousPort + 1, rendezvousPort + 2}
	var servers []*harness.Proc
	for _, port := range ports {
		servers = append(servers, serve(t, l, port, "--etcd", "127.0.0.1:2379"))
	}
	tr := meeting(t, l, ports...)
	separate(t, l)
	together(t, l)
	separate(t, l)
	servers[0].Stop(t)
	together(t, l)
	tr.Flows(t)
	tr.Finish(t)
}

// Strangers hold as many connections as they may, say nothing, half of a message, or nonsense. The ends meet all the same.
func TestRendezvousFlood(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.OnePath)
	serve(t, l, rendezvousPort, "--store", "memory")
	tr := meeting(t, l, rendezvousPort)
	at := harness.At(l.C, 1, rendezvousPort)
	flood := harness.Spec{Host: l.C, Argv: []string{harness.Python, "-c", fmt.Sprintf(`
import socket, time
said = [b"", b"\x01\x04", b"\x01\xff\xff" + bytes(2000), bytes(500), b"GET / HTTP/1.0\r\n\r\n"]
held = []
print("begins", flush=True)
while True:
    for what in said:
        try:
            s = socket.create_connection((%q, %d), 1)
            s.sendall(what)
            held.append(s)
        except OSError:
            pass
    del held[:-300]
    time.sleep(0.005)
`, at.Addr().String(), at.Port())}}.Start(t)
	flood.WaitOutput(t, "begins")
	separate(t, l)
	together(t, l)
	tr.Flows(t)
	flood.Stop(t)
	tr.Finish(t)
}
