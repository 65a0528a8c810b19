package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// documented returns the lines of hexadecimal digits in FRAMES.md: a hello, two messages, two chunks.
func documented(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile("FRAMES.md")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "    "); ok {
			all = append(all, unhex(t, s))
		}
	}
	if len(all) != 5 {
		t.Fatalf("FRAMES.md has %d examples, want 5", len(all))
	}
	return all
}

type command struct {
	//lint:ignore U1000 msgpack looks at its tag
	_msgpack struct{} `msgpack:",as_array"`
	N        int
	Word     string
}

// exchange is what the documented bytes say. What they hold compressed is compressed by the encoder as it was
// then; another one may do better.
func exchange(t testing.TB, w io.Writer) {
	t.Helper()
	c := New(bytes.NewReader(documented(t)[0]), w)
	_, err := c.SendFile(context.Background(), 8, bytes.NewReader(make([]byte, 64)), nil)
	if err := errors.Join(c.Hello(), c.Send(3, command{N: 1, Word: "go"}), c.Send(4, nil), err); err != nil {
		t.Fatal(err)
	}
}

func TestGoldenSent(t *testing.T) {
	var got bytes.Buffer
	exchange(t, &got)
	want := documented(t)
	if !bytes.Equal(got.Bytes(), bytes.Join([][]byte{want[4], want[0], want[1], want[2]}, nil)) {
		t.Errorf("sent %x", got.Bytes())
	}
	frame := append(make([]byte, beforeData), "hello"...)
	putChunk(frame[frameHeader:], 7, 4096, 5)
	if seal(frame, KindChunk, 0); !bytes.Equal(frame, want[3]) {
		t.Errorf("chunk:\n got %x\nwant %x", frame, want[3])
	}
}

func TestGoldenReceived(t *testing.T) {
	c := receiver(bytes.Join(documented(t), nil))
	if err := c.Hello(); err != nil {
		t.Fatal(err)
	}
	var got command
	if f, err := c.Receive(); err != nil || f.Kind != 3 || f.Decode(&got) != nil || got.N != 1 || got.Word != "go" {
		t.Errorf("got %+v, %v, %+v", f, err, got)
	}
	if f, err := c.Receive(); err != nil || f.Kind != 4 || f.Chunk != nil || f.Decode(&got) == nil {
		t.Errorf("got %+v, %v", f, err)
	}
	for _, want := range []Chunk{{7, 4096, []byte("hello")}, {8, 0, make([]byte, 64)}} {
		f, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		ch := f.Chunk
		if f.Kind != KindChunk || ch.File != want.File || ch.Offset != want.Offset || !bytes.Equal(ch.Data, want.Data) {
			t.Errorf("got %+v, want %+v", ch, want)
		}
	}
	if _, err := c.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if s := c.Stats(); s.Received != 5+5+64 {
		t.Errorf("counted %+v", s)
	}
}

func TestCutAtEveryByte(t *testing.T) {
	whole := documented(t)
	stream := bytes.Join(whole, nil)
	between := map[int]bool{}
	for n, i := 0, 0; i < len(whole); i++ {
		n += len(whole[i])
		between[n] = true
	}
	for n := range stream {
		c := receiver(stream[:n])
		err := c.Hello()
		var greeting *GreetingError
		if n < helloLength {
			if !errors.As(err, &greeting) {
				t.Errorf("after %d bytes: %v", n, err)
			}
			continue
		}
		for err == nil {
			_, err = c.Receive()
		}
		want := io.ErrUnexpectedEOF
		if between[n] {
			want = io.EOF
		}
		if err != want {
			t.Errorf("after %d bytes: got %v, want %v", n, err, want)
		}
		if _, again := c.Receive(); again != err {
			t.Errorf("after %d bytes, again: %v", n, again)
		}
	}
}

// A length that is damaged may be more than what there is.
func TestEveryBitFlipped(t *testing.T) {
	more := make([]byte, MaxMessage)
	for i, frame := range documented(t)[1:] {
		for bit := range 8 * len(frame) {
			b := bytes.Clone(frame)
			b[bit/8] ^= 1 << (bit % 8)
			_, err := receiver(b).Receive()
			var frameError *FrameError
			length := bit/8 >= 2 && bit/8 < 6
			if !errors.As(err, &frameError) && !(length && err == io.ErrUnexpectedEOF) {
				t.Errorf("frame %d, bit %d: %v", i, bit, err)
			}
			if !length {
				continue
			}
			_, err = New(io.MultiReader(bytes.NewReader(b), bytes.NewReader(more)), nil).Receive()
			if !errors.As(err, &frameError) {
				t.Errorf("frame %d, bit %d, with more behind it: %v", i, bit, err)
			}
		}
	}
}

// sealed is a frame with the right checksum and length.
func sealed(kind, flags uint8, body []byte) []byte {
	frame := append(make([]byte, frameHeader), body...)
	seal(frame, kind, flags)
	return frame
}

func chunkBody(offset uint64, length uint32, data []byte) []byte {
	b := append(make([]byte, chunkHeader), data...)
	binary.BigEndian.PutUint64(b[4:], offset)
	binary.BigEndian.PutUint32(b[12:], length)
	return b
}

func TestRefused(t *testing.T) {
	c := New(nil, nil)
	zeros := func(n int) []byte { return c.enc.EncodeAll(make([]byte, n), nil) }
	for name, b := range map[string][]byte{
		"flag of a message":     sealed(1, 1, nil),
		"flag of a chunk":       sealed(KindChunk, 2, chunkBody(0, 1, []byte("x"))),
		"message too long":      unhex(t, "01 00 00400001 0000000000000000"),
		"chunk too long":        unhex(t, "ff 00 00100011 0000000000000000"),
		"chunk without header":  sealed(KindChunk, 0, make([]byte, chunkHeader-1)),
		"chunk without data":    sealed(KindChunk, 0, chunkBody(0, 0, nil)),
		"no data inside":        sealed(KindChunk, 1, chunkBody(0, 0, zeros(0))),
		"no data, says one":     sealed(KindChunk, 1, chunkBody(0, 1, zeros(0))),
		"less than it says":     sealed(KindChunk, 0, chunkBody(0, 2, []byte("x"))),
		"more than it says":     sealed(KindChunk, 0, chunkBody(0, 1, []byte("xy"))),
		"says too much":         sealed(KindChunk, 0, chunkBody(0, MaxChunk+1, []byte("x"))),
		"less, compressed":      sealed(KindChunk, 1, chunkBody(0, 1001, zeros(1000))),
		"more, compressed":      sealed(KindChunk, 1, chunkBody(0, 999, zeros(1000))),
		"too much, compressed":  sealed(KindChunk, 1, chunkBody(0, MaxChunk, zeros(MaxChunk+1))),
		"too much, in two":      sealed(KindChunk, 1, chunkBody(0, MaxChunk, append(zeros(MaxChunk), zeros(1)...))),
		"not compressed":        sealed(KindChunk, 1, chunkBody(0, 4, []byte("abcd"))),
		"compressed, cut":       sealed(KindChunk, 1, chunkBody(0, 1000, zeros(1000)[:8])),
		"offset overflows":      sealed(KindChunk, 0, chunkBody(1<<63-1, 1, []byte("x"))),
		"offset is negative":    sealed(KindChunk, 0, chunkBody(1<<64-1, 1, []byte("x"))),
		"another checksum":      append(sealed(1, 0, nil)[:frameHeader-1], 1),
		"large, of nothing":     sealed(KindChunk, 1, chunkBody(0, 1<<20, unhex(t, "28b52ffd e0 0000000000000040 000000"))),
		"with a large window":   sealed(KindChunk, 1, chunkBody(0, 4, unhex(t, "28b52ffd 00 f8 210000 61626364"))),
		"with a huge dictonary": sealed(KindChunk, 1, chunkBody(0, 4, unhex(t, "28b52ffd 23 ffffffff 04 210000 61626364"))),
	} {
		var frameError *FrameError
		if f, err := receiver(b).Receive(); !errors.As(err, &frameError) {
			t.Errorf("%s: got %+v, %v", name, f, err)
		}
	}
	// What is just allowed.
	for name, b := range map[string][]byte{
		"message": sealed(254, 0, make([]byte, MaxMessage)),
		"chunk":   sealed(KindChunk, 0, chunkBody(1<<63-1-MaxChunk, MaxChunk, make([]byte, MaxChunk))),
		"zstd":    sealed(KindChunk, 1, chunkBody(0, MaxChunk, zeros(MaxChunk))),
	} {
		if _, err := receiver(b).Receive(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
