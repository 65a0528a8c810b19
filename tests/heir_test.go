package tests

import (
	"fmt"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// The supervisors of both ends of a transfer are killed one after the other, while it is under way in both directions, and at the
// same time: no byte is lost. Without rock there is nobody to kill.
func TestHeirTransfer(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	tr := startTransfer(t, l, harness.Rock)
	for i := range 3 {
		harness.KillSupervisor(t, l.A, "-bytes")
		tr.Flows(t)
		harness.KillSupervisor(t, l.B, "-bytes")
		tr.Flows(t)
		if i == 1 {
			a, b := harness.SupervisorOf(t, l.A, "-bytes", 0), harness.SupervisorOf(t, l.B, "-bytes", 0)
			a.Kill(t)
			b.Kill(t)
			tr.Flows(t)
		}
	}
	tr.Finish(t)
}

// The supervisor is killed while the network is down, so everything under way waits in it.
func TestHeirSuspended(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	tr := startTransfer(t, l, harness.Rock)
	unplug(l)
	for _, h := range []*lab.Host{l.A, l.B} {
		harness.Until(t, "a suspended rock on both hosts", func() bool {
			ls := harness.Spec{Host: h, Argv: []string{harness.Program(t, "rockctl"), "conns"}}.Output(t)
			return strings.Contains(ls, "suspended")
		})
	}
	harness.KillSupervisor(t, l.A, "-bytes")
	harness.KillSupervisor(t, l.B, "-bytes")
	plug(l)
	tr.Flows(t)
	tr.Finish(t)
}

// unplug takes the client's host off the network, plug brings it back.
func unplug(l *lab.Lab) { l.A.Unplug(1); l.A.Unplug(2) }
func plug(l *lab.Lab)   { l.A.Plug(1); l.A.Plug(2) }

// heirServer accepts connections one after the other, blocking, and answers each line on all of them by itself.
const heirServer = `
import socket, threading
l = socket.create_server(("", 7730), backlog=8)
print("listening", flush=True)
def serve(c):
    for line in c.makefile("rb"):
        c.sendall(b"echo " + line)
    c.close()
    print("ended", flush=True)
while True:
    c, _ = l.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
`

// heirClient connects for each line of its input and keeps the connection; then it uses all of them.
const heirClient = `
import socket, sys
conns = []
for line in sys.stdin:
    s = socket.create_connection((sys.argv[1], 7730))
    conns.append((s, s.makefile("rb")))
    said = ""
    for c, f in conns:
        c.sendall(line.encode())
        said += " " + f.readline().decode().split()[1]
    print("said" + said, s.getpeername()[0] == sys.argv[1], flush=True)
for c, f in conns:
    c.shutdown(socket.SHUT_WR)
    print("rest", len(f.read()), flush=True)
`

// A supervisor that dies leaves everything as it was: a server that waits in accept, connections that were made, addresses
// that programs see, and that new connections are rocks.
func TestHeirGoesOn(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	addr := l.B.Addr(1).String()
	server := harness.Spec{Host: l.B, Side: harness.Rock, Argv: []string{harness.Python, "-uc", heirServer}}.Start(t)
	server.WaitOutput(t, "listening")
	client := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{harness.Python, "-uc", heirClient, addr}}.Start(t)
	want := ""
	for i, kill := range []*lab.Host{nil, l.B, l.A, l.B, l.A} {
		if kill != nil {
			harness.KillSupervisor(t, kill, "-uc")
		}
		fmt.Fprintf(client.Stdin, "w%d\n", i)
		want += "said" + strings.Repeat(fmt.Sprintf(" w%d", i), i+1) + " True\n"
		client.WaitOutput(t, want)
	}
	// They are rocks still: a cut that plain TCP would notice does no harm.
	unplug(l)
	plug(l)
	client.Stdin.Close()
	if res := client.Wait(t); res.Code != 0 || strings.Count(res.Stdout, "rest 0\n") != 5 {
		t.Errorf("exit status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	server.WaitOutput(t, strings.Repeat("ended\n", 5))
}

// What waits while the supervisor dies: a rock that the program has not accepted, with bytes in it, and a connect that does not block.
func TestHeirOfWaiting(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	const serve = `
import socket, sys
l = socket.create_server(("", 7731), backlog=8)
print("listening", flush=True)
for line in sys.stdin:
    c, _ = l.accept()
    got = b""
    while not got.endswith(b"\n"):
        got += c.recv(1000)
    c.sendall(got.upper())
    print("served", flush=True)
`
	const connect = `
import socket, select, sys, errno
s = socket.socket()
s.setblocking(False)
print("connect", errno.errorcode[s.connect_ex((sys.argv[1], 7731))], flush=True)
select.select([], [s], [])
print("error", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), flush=True)
s.setblocking(True)
s.sendall(b"hello\n")
print("got", s.recv(100).decode(), flush=True)
`
	server := harness.Spec{Host: l.B, Side: harness.Rock, Argv: []string{harness.Python, "-uc", serve}}.Start(t)
	server.WaitOutput(t, "listening")
	argv := []string{harness.Python, "-uc", connect, l.B.Addr(1).String()}
	first := harness.Spec{Host: l.A, Side: harness.Rock, Argv: argv}.Start(t)
	first.WaitOutput(t, "error 0\n")
	harness.KillSupervisor(t, l.B, "-uc") // the first is in the queue
	fmt.Fprintln(server.Stdin)
	first.WaitOutput(t, "got HELLO\n")

	unplug(l)
	second := harness.Spec{Host: l.A, Side: harness.Rock, Argv: append(argv, "second")}.Start(t)
	second.WaitOutput(t, "connect EINPROGRESS\n")
	harness.KillSupervisor(t, l.A, "second")
	plug(l)
	fmt.Fprintln(server.Stdin)
	second.WaitOutput(t, "got HELLO\n")
	if res := second.Wait(t); res.Code != 0 || !strings.Contains(res.Stdout, "error 0\n") {
		t.Errorf("exit status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	server.Stdin.Close()
	if res := server.Wait(t); res.Code != 0 {
		t.Errorf("server: exit status %d\n%s", res.Code, res.Stderr)
	}
}
