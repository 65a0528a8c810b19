package interpose

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// loopbackPair returns the two ends of a connection, ours first.
func loopbackPair(t *testing.T) (ours, program *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(); p.Close() })
	return o.(*net.TCPConn), p.(*net.TCPConn)
}

func at(t *testing.T, c *net.TCPConn) (p position) {
	t.Helper()
	err := onConn(c, func(fd int) (err error) {
		p, err = positionOf(fd)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What was given to an end of a leg and taken from it can be told from the kernel, wherever the bytes are.
func TestPosition(t *testing.T) {
	for name, accepted := range map[string]bool{"accepted": true, "connected": false} {
		t.Run(name, func(t *testing.T) {
			ours, program := loopbackPair(t)
			if !accepted {
				ours, program = program, ours
			}
			begin := at(t, ours)
			check := func(when string, sent, taken uint64, ended, programEnded bool) {
				t.Helper()
				eventually(t, when, func() bool { // bytes and ends are on their way through loopback
					p := at(t, ours)
					return p.sent-begin.sent == sent && p.taken-begin.taken == taken && p.ended == ended && p.programEnded == programEnded && !p.reset
				})
			}
			send := func(c *net.TCPConn, n int) {
				t.Helper()
				if _, err := c.Write(make([]byte, n)); err != nil {
					t.Fatal(err)
				}
			}
			take := func(c *net.TCPConn, n int) {
				t.Helper()
				if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
					t.Fatal(err)
				}
			}
			check("at first", 0, 0, false, false)
			send(program, 1000)
			check("with bytes that were not taken", 0, 0, false, false)
			take(ours, 600)
			check("with some taken", 0, 600, false, false)
			send(ours, 5000)
			check("with bytes sent", 5000, 600, false, false)
			take(program, 5000)
			check("with them read", 5000, 600, false, false)
			program.CloseWrite()
			check("behind the program's end, some not taken", 5000, 600, false, true)
			take(ours, 400)
			check("all taken", 5000, 1000, false, true)
			if n, err := ours.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Fatalf("read %d, %v at the end", n, err)
			}
			check("the end taken", 5000, 1000, false, true)
			send(ours, 70000)
			ours.CloseWrite()
			check("our end behind bytes", 75000, 1000, true, true)
			take(program, 70000)
			check("both ended", 75000, 1000, true, true)
		})
	}
}

func TestPositionAfterReset(t *testing.T) {
	ours, program := loopbackPair(t)
	if err := program.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	program.Close()
	eventually(t, "reset", func() bool { return at(t, ours).reset })
}

// An heir may find a leg whose two ends have closed: the kernel does not tell its addresses any more.
func TestOrphanWithoutAddresses(t *testing.T) {
	ours, program := loopbackPair(t)
	program.CloseWrite()
	if _, err := io.Copy(io.Discard, ours); err != nil {
		t.Fatal(err)
	}
	ours.CloseWrite()
	if _, err := io.Copy(io.Discard, program); err != nil {
		t.Fatal(err)
	}
	program.Close()
	fd := -1
	err := onConn(ours, func(s int) (err error) {
		fd, err = unix.FcntlInt(uintptr(s), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the connection", func() bool {
		state, err := tcpState(fd)
		return err == nil && state == tcpClosed
	})
	inherited, err := tcpConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	if inherited.RemoteAddr() != nil {
		t.Fatalf("it has an address: %v", inherited.RemoteAddr())
	}
	if !awaitOrphan(inherited.RemoteAddr(), inherited.LocalAddr(), nil, func() bool { return false }) {
		t.Error("somebody has it open")
	}
}
