package tests

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// attacked accepts one connection and answers its lines; whoever else comes is told of.
const attacked = `
import socket, threading
l = socket.create_server(("", 7750))
print("listening", flush=True)
c, _ = l.accept()
print("accepted", flush=True)
def more():
    while True:
        x, a = l.accept()
        x.settimeout(5)
        print("stranger", repr(x.recv(100)), flush=True)
        x.close()
threading.Thread(target=more, daemon=True).start()
for line in c.makefile("rb"):
    c.sendall(b"echo " + line)
print("ended", flush=True)
`

const attackedClient = `
import socket, sys
c = socket.create_connection((sys.argv[1], 7750))
f = c.makefile("rb")
for line in sys.stdin:
    c.sendall(line.encode())
    print("got", f.readline().decode().strip(), flush=True)
`

// attack is what another user of the server's host tries: arguments are the runtime directory, an image, and pids of
// rock's processes. It prints what it got hold of.
const attack = `
import os, socket, struct, sys
runtime, image, *pids = sys.argv[1:]
got = []
def attempt(what, f):
    try:
        got.append((what, f()))
    except OSError:
        pass
def connect_unix(path):
    socket.socket(socket.AF_UNIX).connect(path)
for top, dirs, files in os.walk(runtime):
    for name in files:
        attempt("runtime file " + name, lambda: open(os.path.join(top, name), "rb").read(1))
        attempt("control socket", lambda: connect_unix(os.path.join(top, name)))
attempt("runtime directory", lambda: os.listdir(runtime))
attempt("image", lambda: os.listdir(image))
attempt("image", lambda: open(os.path.join(image, "rocks"), "rb").read(1))
for pid in pids:
    attempt("descriptors", lambda: os.listdir("/proc/%s/fd" % pid))
    for fd in range(64):
        attempt("descriptor", lambda: open("/proc/%s/fd/%d" % (pid, fd), "rb").read(1))
    attempt("memory", lambda: open("/proc/%s/mem" % pid, "rb"))
    attempt("environment", lambda: open("/proc/%s/environ" % pid, "rb").read(1))
    attempt("kill", lambda: os.kill(int(pid), 9))
# Every loopback socket of the group that listens, and every leg, as /proc/net/tcp shows them to all.
loopback = set()
for line in open("/proc/net/tcp").readlines()[1:]:
    for end in line.split()[1:3]:
        a, p = end.split(":")
        ip = socket.inet_ntoa(struct.pack("<I", int(a, 16)))
        if ip.startswith("127.") and ip != "127.0.0.1" and p != "0000":
            loopback.add((ip, int(p, 16)))
said = 0
for at in sorted(loopback):
    for say in [b"", b"hello from a stranger\n", b"\0" * 1000]:
        try:
            s = socket.create_connection(at, 2)
        except OSError:
            continue
        try:
            s.sendall(say)
            s.settimeout(0.2)
            answer = s.recv(100)
            if answer:
                got.append(("leg", answer))
        except OSError:
            pass
        said += 1
        s.close()
print("tried", len(pids), "processes and", len(loopback), "sockets,", said, "times")
print("got", got)
`

// Another user of the host gets at nothing of a group: not at its control socket, its images, its keys in memory, and he can
// not slip a byte into its connections, over the loopback addresses of which everybody sees them.
func TestAttackerOnTheHost(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	server := harness.Spec{Host: l.B, Side: harness.Rock, Name: "job", Argv: []string{harness.Python, "-uc", attacked}}.Start(t)
	server.WaitOutput(t, "listening")
	client := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{harness.Python, "-uc", attackedClient, l.B.Addr(1).String()}}.Start(t)
	say := func(word string) {
		t.Helper()
		if _, err := client.Stdin.Write([]byte(word + "\n")); err != nil {
			t.Fatal(err)
		}
		client.WaitOutput(t, "got echo "+word+"\n")
	}
	say("before")
	image := filepath.Join(l.B.Dir(), "image")
	harness.Spec{Host: l.B, Argv: []string{harness.Program(t, "rockctl"), "checkpoint", "-R", "-D", image, "job"}}.Output(t)
	argv := []string{harness.Python, "-c", attack, harness.RuntimeDir(l.B, "root"), image}
	for _, name := range []string{"rock-supervisor", "rock-trustee", "rock-witness"} {
		for _, p := range harness.Named(l.B, name, "") {
			argv = append(argv, strconv.Itoa(p.Pid))
		}
	}
	out := harness.Spec{Host: l.B, User: ordinaryUser, Argv: argv}.Output(t)
	if !strings.Contains(out, "got []\n") || strings.Contains(out, " 0 times") || strings.Contains(out, "tried 0 ") {
		t.Errorf("the attacker: %s", out)
	}
	t.Log(out)
	say("after")
	client.Stdin.Close()
	server.WaitOutput(t, "ended")
	if res := server.Wait(t); res.Code != 0 || strings.Contains(res.Stdout, "stranger") {
		t.Errorf("the server: exit status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
}
