package tests

import (
	"os"
	"path/filepath"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// stuffed is both ends of three connections in which everything that can be full is, until a file is there: one is full both ways;
// one has ended at the server, full; one is not accepted yet, and has bytes in it. The server
// does as it is told by "serve", the client by an address.
const stuffed = `
import hashlib, os, socket, sys, threading, time
role, go = sys.argv[1:3]
N = 12 << 20
def content(salt):
    return hashlib.shake_256(salt).digest(N)
def await_file(name):
    while not os.path.exists(name):
        time.sleep(0.01)
def drain(c):
    h = hashlib.sha256()
    n = 0
    while b := c.recv(100000):
        h.update(b)
        n += len(b)
    return n, h.hexdigest()[:16]
def want(salt):
    return N, hashlib.sha256(content(salt)).hexdigest()[:16]
def send(c, salt):
    def run():
        c.sendall(content(salt))
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=run)
    t.start()
    return t
if role == "serve":
    l = socket.create_server(("", 7740), backlog=8)
    print("listening", flush=True)
    both, _ = l.accept()
    open(go + ".1", "w").close()
    closed, _ = l.accept()
    open(go + ".2", "w").close()
    t = send(both, b"down")
    u = threading.Thread(target=lambda: (closed.sendall(content(b"closed")), closed.close()))
    u.start()
    print("stuffed", flush=True)
    await_file(go)
    print("server both", drain(both) == want(b"up"), flush=True)
    late, _ = l.accept()
    print("server late", drain(late) == want(b"late"), flush=True)
    late.close()
    t.join()
    u.join()
else:
    both = socket.create_connection((role, 7740))
    await_file(go + ".1")
    closed = socket.create_connection((role, 7740))
    await_file(go + ".2")
    late = socket.create_connection((role, 7740))
    t, u = send(both, b"up"), send(late, b"late")
    print("stuffed", flush=True)
    await_file(go)
    print("client both", drain(both) == want(b"down"), flush=True)
    print("client closed", drain(closed) == want(b"closed"), flush=True)
    print("client late", drain(late)[0] == 0, flush=True)
    t.join()
    u.join()
`

// A supervisor is killed when it has taken all that was under way out of its legs and is about to hand the group over: not a byte of it is
// lost, or comes twice. At either end of the connections.
func TestHeirOfParked(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	for _, end := range []string{"server", "client"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Apart)
			goFile := filepath.Join(l.B.Dir(), "..", "go")
			start := func(h *lab.Host, role string, travels bool) *harness.Proc {
				s := harness.Spec{Host: h, Side: harness.Rock, Argv: []string{harness.Python, "-uc", stuffed, role, goFile}}
				if travels {
					s.Name, s.Travels = "job", true
				}
				return s.Start(t)
			}
			server := start(l.B, "serve", end == "server")
			server.WaitOutput(t, "listening")
			client := start(l.A, l.B.Addr(1).String(), end == "client")
			server.WaitOutput(t, "stuffed")
			client.WaitOutput(t, "stuffed")
			at := l.B
			if end == "client" {
				at = l.A
			}
			for _, where := range []string{"source:file", "source:complete"} {
				tap := harness.NewTap(t, where, where == "source:complete")
				rockctl := harness.Migrate(t, at, l.C, "job", tap.Exec(harness.Receive(t, l.C))).Start(t)
				tap.WaitReached(t)
				p := harness.SupervisorOf(t, at, "", 0)
				p.End(t)
				tap.Pass(t)
				if res := rockctl.Wait(t); res.Code == 0 {
					t.Errorf("%s: rockctl migrate: exit status 0\n%s", where, res.Stdout)
				}
				harness.SupervisorOf(t, at, "", p.Pid)
			}
			if err := os.WriteFile(goFile, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, p := range []*harness.Proc{server, client} {
				if res := p.Wait(t); res.Code != 0 {
					t.Errorf("exit status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
				}
			}
			for _, line := range []string{"client both True", "client closed True", "client late True"} {
				client.WaitOutput(t, line)
			}
			for _, line := range []string{"server both True", "server late True"} {
				server.WaitOutput(t, line)
			}
		})
	}
}
