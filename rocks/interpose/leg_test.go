package interpose

import (
	"log/slog"
	"net"
	"testing"
)

// TestLegOverIsForgotten discards a parked leg: when it is said to be over nobody may find it any more.
func TestLegOverIsForgotten(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	program, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	inner, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l := &leg{
		inner: inner.(*net.TCPConn), sock: &socket{}, log: slog.New(slog.DiscardHandler),
		outer:  &ordinary{TCPConn: program.(*net.TCPConn)}, // whatever: it carries nothing
		keep:   func() {},
		parked: make(chan struct{}), unparked: make(chan bool), over: make(chan struct{}),
	}
	early := false
	l.onEnded = func() {
		select {
		case <-l.over:
			early = true
		default:
		}
	}
	go l.run()
	l.requestPark()
	if stopped, err := l.awaitPark(t.Context()); !stopped || err != nil {
		t.Fatalf("parked %v, %v", stopped, err)
	}
	l.discard()
	<-l.over
	if early {
		t.Error("the leg was over before it was forgotten")
	}
}
