package rocks_test

import (
	"bytes"
	"io"
	"testing"

	"rock/rocks"
)

// loopback makes a rock over the loopback interface.
func loopback(b *testing.B) (client, server *rocks.Conn) {
	b.Helper()
	var es [2]*rocks.Endpoint
	for i := range es {
		e, err := rocks.NewEndpoint(rocks.Config{Network: rocks.System()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { e.Close() })
		es[i] = e
	}
	ln, err := es[1].Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	client, err = es[0].Dial(b.Context(), "tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	return client, s.(*rocks.Conn)
}

func BenchmarkThroughput(b *testing.B) {
	c, s := loopback(b)
	const chunk = 256 << 10
	b.SetBytes(chunk)
	go func() {
		buf := bytes.Repeat([]byte("x"), chunk)
		for range b.N {
			c.Write(buf)
		}
		c.CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, s); n != int64(b.N)*chunk || err != nil {
		b.Fatal(n, err)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	c, s := loopback(b)
	go io.Copy(s, s)
	buf := make([]byte, 64)
	for b.Loop() {
		c.Write(buf)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}
