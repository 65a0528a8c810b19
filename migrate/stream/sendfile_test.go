package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// sizes are those around what is special.
var sizes = []int{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 5*ChunkSize + 7}

func TestSendFile(t *testing.T) {
	for kind, contents := range map[string]func(int) []byte{
		"memory": memory,
		"random": random,
		"zero":   func(n int) []byte { return make([]byte, n) },
	} {
		t.Run(kind, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			a, b := New(nil, w), New(r, nil)
			sent := make(chan error, 1)
			go func() {
				defer w.Close()
				for i, n := range sizes {
					size, err := a.SendFile(t.Context(), uint32(i), bytes.NewReader(contents(n)), nil)
					if err != nil || size != int64(n) {
						sent <- fmt.Errorf("sent %d bytes of %d: %w", size, n, err)
						return
					}
				}
				sent <- nil
			}()
			var got files
			if err := got.receive(b); err != io.EOF {
				t.Fatal(err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			for i, n := range sizes {
				if !bytes.Equal(got.data[uint32(i)], contents(n)) {
					t.Errorf("a file of %d bytes has changed", n)
				}
			}
			if s, r := a.Stats(), b.Stats(); s.Sent != r.Received || s.SentWire != r.ReceivedWire {
				t.Errorf("counted %+v and %+v", s, r)
			}
		})
	}
}

// TestManyAtOnce sends three files and messages. Each message that follows a file must arrive after it.
func TestManyAtOnce(t *testing.T) {
	a, b := pair(t)
	want := [][]byte{memory(2*ChunkSize + 5), random(3 * ChunkSize), make([]byte, 7*ChunkSize+1)}
	var senders sync.WaitGroup
	for i, data := range want {
		senders.Go(func() {
			size, err := a.SendFile(t.Context(), uint32(i), bytes.NewReader(data), nil)
			if err := errors.Join(err, a.Send(uint8(i), size)); err != nil {
				t.Error(err)
			}
		})
		senders.Go(func() {
			for n := range 20 {
				if err := a.Send(100, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sizes := map[uint32]int64{}
	for finished, messages := 0, 0; finished < 3 || messages < 60; {
		f, err := b.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Chunk != nil:
			ch := f.Chunk
			sizes[ch.File] += int64(len(ch.Data))
			if !bytes.Equal(ch.Data, want[ch.File][ch.Offset:][:len(ch.Data)]) {
				t.Errorf("file %d has changed", ch.File)
			}
		case f.Kind == 100:
			messages++
		default:
			finished++
			var size int64
			if err := f.Decode(&size); err != nil {
				t.Error(err)
			}
			if i := uint32(f.Kind); size != int64(len(want[i])) || sizes[i] != size {
				t.Errorf("file %d has %d bytes and says %d", i, sizes[i], size)
			}
		}
	}
	senders.Wait()
}

// TestGrowing appends to a file while it is sent, at times that the sender must notice.
func TestGrowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		f, grown := new(growing), make(chan struct{})
		type result struct {
			size int64
			err  error
		}
		done := make(chan result)
		go func() {
			size, err := a.SendFile(t.Context(), 1, f, grown)
			done <- result{size, err}
		}()
		expect := func(offset int64, data []byte, within time.Duration) {
			t.Helper()
			begin := time.Now()
			frame, err := b.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if ch := frame.Chunk; ch.Offset != offset || !bytes.Equal(ch.Data, data) {
				t.Errorf("got %d bytes at %d, want %d at %d", len(ch.Data), ch.Offset, len(data), offset)
			}
			if d := time.Since(begin); d > within {
				t.Errorf("it took %v", d)
			}
		}
		data := memory(3 * ChunkSize)
		time.Sleep(10 * time.Second) // nothing is sent for nothing
		f.append(data[:10])
		expect(0, data[:10], 2*tailInterval)
		// What comes in small parts is put together.
		go func() {
			for i := 10; i < 110; i += 10 {
				f.append(data[i : i+10])
				time.Sleep(tailInterval / 2)
			}
		}()
		expect(10, data[10:110], time.Second)
		f.append(data[110 : 110+ChunkSize])
		expect(110, data[110:110+ChunkSize], 2*tailInterval)
		// What is there when it is complete is sent.
		synctest.Wait()
		f.append(data[110+ChunkSize:])
		close(grown)
		begin := time.Now()
		var got files
		go func() {
			r := <-done
			if r.err != nil || r.size != int64(len(data)) || time.Since(begin) != 0 {
				t.Errorf("got %+v after %v", r, time.Since(begin))
			}
			if err := a.Send(1, nil); err != nil {
				t.Error(err)
			}
			a.w.(io.Closer).Close()
		}()
		if err := got.receive(b); err != io.EOF || len(got.messages) != 1 {
			t.Errorf("got %v, %d messages", err, len(got.messages))
		}
		if !bytes.Equal(got.data[1][110+ChunkSize:], data[110+ChunkSize:]) {
			t.Error("the end has changed")
		}
	})
}

// With a real file, which another descriptor appends to.
func TestGrowingFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pages")
	w, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, b := pair(t)
	grown := make(chan struct{})
	data := memory(4*ChunkSize + 3)
	go func() {
		defer close(grown)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 100_000)
			w.Write(rest[:n])
			rest = rest[n:]
		}
	}()
	go func() {
		if size, err := a.SendFile(t.Context(), 1, f, grown); err != nil || size != int64(len(data)) {
			t.Errorf("got %d, %v", size, err)
		}
		a.w.(io.Closer).Close()
	}()
	var got files
	if err := got.receive(b); err != io.EOF || !bytes.Equal(got.data[1], data) {
		t.Errorf("got %d bytes, %v", len(got.data[1]), err)
	}
}

func TestSendFileCancelled(t *testing.T) {
	given := errors.New("given up")
	for name, f := range map[string]*growing{
		"waiting for the file":      {},
		"waiting for the transport": {b: make([]byte, 20*ChunkSize)},
		"at its end":                {b: make([]byte, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := pair(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				var grown chan struct{}
				if len(f.b) == 0 {
					grown = make(chan struct{})
				}
				done := make(chan error)
				go func() {
					_, err := a.SendFile(ctx, 1, f, grown)
					done <- err
				}()
				time.Sleep(time.Second)
				cancel(given)
				if err := <-done; !errors.Is(err, given) {
					t.Errorf("got %v", err)
				}
				a.w.(io.Closer).Close() // ends what is under way
			})
		})
	}
}

func TestSendFileReadError(t *testing.T) {
	broken := errors.New("broken")
	a, _ := pair(t)
	if _, err := a.SendFile(t.Context(), 1, &growing{err: broken}, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestDeadTransport is about who waits for it: all of them get the first error.
func TestDeadTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		c := New(x, x)
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				if err := c.Send(1, nil); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("Send: %v", err)
				}
			})
			for _, grown := range []chan struct{}{nil, make(chan struct{})} {
				waiting.Go(func() {
					f := &growing{b: make([]byte, 20*ChunkSize)}
					if _, err := c.SendFile(t.Context(), 1, f, grown); !errors.Is(err, io.ErrClosedPipe) {
						t.Errorf("SendFile: %v", err)
					}
				})
			}
			waiting.Go(func() {
				if _, err := c.SendFile(t.Context(), 1, new(growing), make(chan struct{})); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("SendFile, waiting for the file: %v", err)
				}
			})
		}
		waiting.Go(func() {
			if _, err := c.Receive(); err != io.EOF {
				t.Errorf("Receive: %v", err)
			}
		})
		synctest.Wait()
		y.Close()
		waiting.Wait()
		if err := c.Send(2, nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestShortWrite(t *testing.T) {
	c := New(nil, writerFunc(func(b []byte) (int, error) { return len(b) - 1, nil }))
	if err := c.Send(1, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestReceiveFails(t *testing.T) {
	broken := errors.New("broken")
	c := New(io.MultiReader(bytes.NewReader(sealed(1, 0, nil)), iotest.ErrReader(broken)), nil)
	if _, err := c.Receive(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Receive(); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}

func TestGain(t *testing.T) {
	var g gain
	var tries []int
	for i := range 200 {
		if g.try() {
			tries = append(tries, i)
			if g.tried(1000, 901) {
				t.Fatal("a gain of less than a tenth is none")
			}
		}
	}
	want := []int{0, 2, 5, 10, 19, 36, 69, 102, 135, 168}
	if len(tries) != len(want) {
		t.Fatalf("tried %v, want %v", tries, want)
	}
	for i := range want {
		if tries[i] != want[i] {
			t.Fatalf("tried %v, want %v", tries, want)
		}
	}
	if !g.tried(1000, 899) || !g.try() || !g.try() {
		t.Error("after a gain all are tried")
	}
}
