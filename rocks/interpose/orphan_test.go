package interpose

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A connection that is gone is not taken for the listener that it was made to.
func TestSocketInode(t *testing.T) {
	if !diagWorks() {
		t.Skip("the kernel has no inet_diag")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	local, remote := addrPortOf(server.LocalAddr()), addrPortOf(server.RemoteAddr())
	for what, remote := range map[string]netip.AddrPort{"listener": {}, "connection": remote} {
		if inode, err := socketInode(local, remote); err != nil || inode == 0 {
			t.Errorf("%s: got inode %d (%v), want one", what, inode, err)
		}
	}

	if err := client.(*net.TCPConn).SetLinger(0); err != nil { // so that nothing of the connection is left
		t.Fatal(err)
	}
	client.Close()
	server.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		inode, err := socketInode(local, remote)
		if errors.Is(err, errNoSocket) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("connection that is gone: got inode %d (%v), want %v", inode, err, errNoSocket)
		}
	}
}
