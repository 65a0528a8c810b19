package survey

import (
	"net"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestOrdinary(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := start(t, "tcp", withAddress(l.Addr().String()))
	s := take(t, Options{Root: root})
	wantProblem(t, s.Problems, "multipath TCP socket", "GODEBUG=multipathtcp=0")
	if len(s.Ordinary) != 1 || s.Ordinary[0].Remote.String() != l.Addr().String() || s.Ordinary[0].State != "ESTAB" || s.Ordinary[0].PID != root {
		t.Errorf("got connections %+v", s.Ordinary)
	}
	var tcp Listener
	for _, l := range s.Listeners {
		if l.Address.Port() == 0 || l.Address.Addr().String() != "127.0.0.1" || l.Listens != (l.Network == "tcp") {
			t.Errorf("got listener %+v", l)
		}
		if l.Listens {
			tcp = l
		}
	}
	if len(s.Listeners) != 2 || tcp.FD == 0 {
		t.Fatalf("got listeners %+v, want 2", s.Listeners)
	}
	s = take(t, Options{Root: root, OurSocket: func(pid, fd int, inode uint64) bool {
		return pid == root && fd == tcp.FD && inode == tcp.Inode
	}})
	if len(s.Listeners) != 1 || s.Listeners[0].Network != "udp" {
		t.Errorf("got listeners %+v, want the UDP socket alone", s.Listeners)
	}
	c, err := net.Dial("tcp", tcp.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantProblem(t, take(t, Options{Root: root}).Warnings, "has 1 connections waiting to be accepted at "+tcp.Address.String())
}
