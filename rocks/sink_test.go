package rocks_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks/rockstest"
)

// tub is a writer that takes some bytes at once, or waits, as it pleases. It must never be written to by two at a time, nor by anybody
// while it is shut.
type tub struct {
	t      *testing.T
	random *rand.Rand
	full   bool // never takes anything at once

	mu      sync.Mutex
	taken   bytes.Buffer
	busy    bool
	shut    bool
	at      int // how often something was taken at once
	partial int // and how often not all
}

func (b *tub) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy || b.shut {
		b.t.Errorf("written to while busy=%v shut=%v", b.busy, b.shut)
	}
	b.busy = true
}

func (b *tub) end(p []byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy = false
	b.taken.Write(p)
	return len(p)
}

func (b *tub) Write(p []byte) (int, error) {
	b.begin()
	time.Sleep(time.Duration(b.random.IntN(3)) * time.Millisecond)
	return b.end(p), nil
}

func (b *tub) TryWrite(p []byte) int {
	if b.full {
		return 0
	}
	b.begin()
	n := len(p)
	if b.random.IntN(3) == 0 {
		n = b.random.IntN(n + 1)
		b.partial++
	}
	b.at++
	time.Sleep(time.Duration(b.random.IntN(2)) * time.Millisecond) // so that others run meanwhile
	return b.end(p[:n])
}

func (b *tub) close(shut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = shut
}

// Every byte comes to a WriteTo once and in order, whoever passes it on, while links break at random bytes and the WriteTo is told
// to stop and begins again. When it has returned nobody writes any more, and its count is right.
func TestPassingOn(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	at, partial := 0, 0
	for round := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, round))
			b := &tub{t: t, random: rand.New(rand.NewPCG(seed, round+1000)), full: round%10 == 9}
			passOn(t, b, random)
			at += b.at
			partial += b.partial
		})
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if at == 0 || partial == 0 {
		t.Errorf("passed on at once %d times, %d times in part: the test shows nothing", at, partial)
	}
}

func passOn(t *testing.T, b *tub, random *rand.Rand) {
	cuts := make(chan int, 4)
	for range random.IntN(cap(cuts) + 1) {
		cuts <- 300 + random.IntN(20_000)
	}
	n := rockstest.New(rockstest.Config{Latency: time.Millisecond, OnConnect: func(w *rockstest.Wire) {
		select {
		case after := <-cuts:
			w.CutAfter(rockstest.Direction(after%2), int64(after), rockstest.Reset)
		default:
		}
	}})
	p := &pair{net: n, a: n.Host("a", "10.0.0.1"), b: n.Host("b", "10.0.0.2")}
	p.ea, p.eb = endpoint(t, p.a, nil), endpoint(t, p.b, nil)
	defer func() { p.ea.Close(); p.eb.Close(); n.Close() }()
	client, server, err := tryConnect(t, p.ea, p.eb)
	if err != nil {
		return // a link broke before there was a rock, of which nothing was promised
	}
	sent := make([]byte, 1+random.IntN(60_000))
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	done := make(chan error, 1)
	piece := 1 + random.IntN(4_000)
	go func() { done <- dribble(client, sent, piece) }()
	var counted int64
	for {
		_ = server.SetReadDeadline(time.Now().Add(time.Duration(1+random.IntN(40)) * time.Millisecond))
		b.close(false)
		n, err := server.WriteTo(b)
		b.close(true)
		if counted += n; counted != int64(b.taken.Len()) {
			t.Errorf("WriteTo has counted %d bytes, %d have come", counted, b.taken.Len())
		}
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(b.taken.Bytes(), sent) {
		t.Errorf("%d bytes have come, %d were sent, or not the same", b.taken.Len(), len(sent))
	}
}

// dribble writes a message piece by piece, and its end.
func dribble(c interface {
	Write([]byte) (int, error)
	CloseWrite() error
}, p []byte, piece int) error {
	for len(p) > 0 {
		n, err := c.Write(p[:min(piece, len(p))])
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		p = p[n:]
		time.Sleep(time.Millisecond)
	}
	return c.CloseWrite()
}
