package tests

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"

	"golang.org/x/sys/unix"
)

// Whatever a program does with sockets comes out as it would without rock.
func TestUnknownDeeds(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	for i, server := range []harness.Side{harness.Plain, harness.Rock} {
		t.Run(server.String()+" server", func(t *testing.T) {
			harness.SkipUnlessPlain(t, server)
			port := strconv.Itoa(7700 + i)
			harness.Spec{Host: l.B, Side: server, Argv: []string{"socat", "TCP-LISTEN:" + port + ",fork,reuseaddr", "EXEC:cat"}}.Start(t)
			harness.WaitListening(t, l.B, 7700+i)
			run := func(s harness.Side) string {
				return harness.Spec{Host: l.A, Side: s, Argv: []string{harness.Python, harness.Program(t, "odd.py"),
					l.B.Addr(1).String(), port}}.Output(t)
			}
			want := run(harness.Plain)
			if n := strings.Count(want, "\n"); n < 31 {
				t.Fatalf("only %d lines:\n%s", n, want)
			}
			harness.SkipUnlessPlain(t, harness.Rock)
			if got := run(harness.Rock); got != want {
				t.Errorf("with rock:\n%s\nwithout:\n%s", got, want)
			}
		})
	}
}

// A program of another architecture, whose system calls have other numbers, runs
// and talks as it does without rock.
func TestUnknown32Bit(t *testing.T) {
	t.Parallel()
	if err := exec.Command(harness.Program(t, "talk386")).Run(); errors.Is(err, unix.ENOEXEC) {
		t.Skip("this kernel runs no 32-bit programs (ia32_emulation is off), so there is nothing to show")
	}
	l := lab.New(t)
	port := 7710
	everyMix(t, func(t *testing.T, client, server harness.Side) {
		port++
		at := harness.At(l.B, 1, port).String()
		program := harness.Program(t, "talk386")
		srv := harness.Spec{Host: l.B, Side: server, Argv: append([]string{program}, talk("listen=" + at + " accept recv send=answer close")[1:]...)}.Start(t)
		harness.WaitListening(t, l.B, port)
		got := harness.Spec{Host: l.A, Side: client, Argv: append([]string{program}, talk("dial=" + at + " connect send=question recv")[1:]...)}.Output(t)
		if want := "dial: ok\nconnect: ok\nsend: ok\nrecv: \"answer\"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if res := srv.Wait(t); !strings.Contains(res.Stdout, `recv: "question"`) {
			t.Errorf("server: %q", res.Stdout)
		}
	})
}

// io_uring would go past the filter: a program is told that there is none, as on
// many kernels, and goes on without.
func TestUnknownIOUring(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	const setup = `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 1, ctypes.create_string_buffer(120)), errno.errorcode[ctypes.get_errno()])`
	got := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{harness.Python, "-c", setup}}.Output(t)
	if want := "-1 ENOSYS\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// If the supervisor is killed and has no heir the program lives on, and connects and listens as an
// ordinary one.
func TestUnknownSupervisorKilled(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	harness.Spec{Host: l.B, Argv: []string{"socat", "TCP-LISTEN:7720,fork,reuseaddr", "EXEC:cat"}}.Start(t)
	harness.WaitListening(t, l.B, 7720)
	const program = `
import os, socket, sys
for line in sys.stdin:
    s = socket.create_connection((line.strip(), 7720))
    s.sendall(b"hello")
    print("got", s.recv(100).decode(), flush=True)
l = socket.create_server(("", 7721))
print("listening", flush=True)
l.accept()[0].sendall(b"served")
sys.exit(9)`
	p := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{harness.Python, "-c", program}}.Start(t)
	fmt.Fprintln(p.Stdin, l.B.Addr(1))
	p.WaitOutput(t, "got hello\n")
	harness.KillHeirless(t, l.A, "-c")
	fmt.Fprintln(p.Stdin, l.B.Addr(1))
	p.WaitOutput(t, "got hello\ngot hello\n")
	p.Stdin.Close()
	harness.WaitListening(t, l.A, 7721)
	if got := (harness.Spec{Host: l.B, Argv: []string{"nc", l.A.Addr(1).String(), "7721"}}).Output(t); got != "served" {
		t.Errorf("got %q", got)
	}
	if res := p.Wait(t); res.Code != 9 {
		t.Errorf("exit status %d, want 9", res.Code)
	}
}
