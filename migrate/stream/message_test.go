package stream

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

type everything struct {
	A int64
	B uint64
	C float64
	D []string
	E map[string]int
	F []byte
	G *everything
	H bool
	I float32
}

func TestMessage(t *testing.T) {
	a, b := pair(t)
	long := strings.Repeat("x", 70000)
	want := everything{
		A: -1 << 40, B: 1 << 63, C: 1.5, D: append(make([]string, 20), "short", long[:40], long[:300], long),
		E: map[string]int{"a": 1}, F: make([]byte, 300), G: &everything{H: true, I: 2.5, A: -200, B: 70000},
	}
	go a.Send(9, want)
	f, err := b.Receive()
	if err != nil || f.Kind != 9 {
		t.Fatalf("got %+v, %v", f, err)
	}
	var got everything
	if err := f.Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestSendRefuses(t *testing.T) {
	var w bytes.Buffer
	c := New(nil, &w)
	for name, err := range map[string]error{
		"kind of chunks": c.Send(KindChunk, nil),
		"no encoding":    c.Send(1, func() {}),
		"too large":      c.Send(1, make([]byte, MaxMessage)),
	} {
		if err == nil || w.Len() > 0 {
			t.Errorf("%s: %v, %d bytes sent", name, err, w.Len())
		}
	}
	if err := c.Send(1, make([]byte, MaxMessage-5)); err != nil {
		t.Errorf("as large as allowed: %v", err)
	}
}

// A message is valid after the next one has come.
func TestMessageIsKept(t *testing.T) {
	c := receiver(bytes.Join(documented(t)[1:4], nil))
	f, err := c.Receive()
	for err == nil {
		_, err = c.Receive()
	}
	var got command
	if err := f.Decode(&got); err != nil || got.Word != "go" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":            "",
		"two values":         "01 01",
		"cut number":         "cd 01",
		"cut length":         "db 000000",
		"cut string":         "a3 6162",
		"cut bytes":          "c4 03 0102",
		"cut extension":      "c7 02 01 00",
		"cut small ext":      "d4 01",
		"huge array":         "dd ffffffff",
		"huge map":           "df ffffffff 01",
		"array without end":  "92 01",
		"map without value":  "81 01",
		"unused code":        "c1",
		"deep":               strings.Repeat("91", mostDepth) + "01",
		"wrong type":         "a1 61",
		"deep without end":   strings.Repeat("91", 1000),
		"more than a value":  "90 90",
		"nothing in an item": "91",
	} {
		var v int
		var frameError *FrameError
		f := Frame{Kind: 1, body: unhex(t, s)}
		if err := f.Decode(&v); !errors.As(err, &frameError) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	many := append(unhex(t, "dd 00100000"), make([]byte, 1<<20)...)
	if err := bounded(many); err == nil {
		t.Error("too many values are allowed")
	}
	if err := bounded(unhex(t, strings.Repeat("91", mostDepth-1)+"01")); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
}

// Every code has the size that the decoder finds.
func TestBoundedAgrees(t *testing.T) {
	for code := range 256 {
		for _, length := range []byte{0, 1, 2} {
			// A length of one byte, or one of two or four that is the same; then ones.
			for _, n := range []int{1, 2, 4} {
				b := append([]byte{byte(code)}, make([]byte, n-1)...)
				b = append(append(b, length), bytes.Repeat([]byte{1}, 40)...)
				r := bytes.NewReader(b)
				if msgpack.NewDecoder(r).Skip() != nil {
					continue
				}
				if b = b[:len(b)-r.Len()]; bounded(b) != nil {
					t.Errorf("%x: %v", b, bounded(b))
				}
			}
		}
	}
}

// FuzzReceive reads what may be a stream, whose frames get the right checksum if sealed. Whatever is taken for a frame must
// be what the frame is encoded as.
func FuzzReceive(f *testing.F) {
	for _, b := range documented(f)[1:] {
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, seals bool) {
		if seals {
			sealAll(b)
		}
		c := receiver(b)
		for rest := b; ; {
			frame, err := c.Receive()
			if err != nil {
				var frameError *FrameError
				if !errors.As(err, &frameError) && err != io.ErrUnexpectedEOF && (err != io.EOF || len(rest) > 0) {
					t.Fatalf("after %d bytes: %v", len(b)-len(rest), err)
				}
				return
			}
			n := sameAgain(t, frame, rest)
			rest = rest[n:]
		}
	})
}

// sealAll puts the right checksum into each frame of b.
func sealAll(b []byte) {
	for len(b) >= frameHeader {
		h, err := parseHeader(b)
		if err != nil || h.length > len(b)-frameHeader {
			return
		}
		seal(b[:frameHeader+h.length], h.kind, h.flags)
		b = b[frameHeader+h.length:]
	}
}

// sameAgain checks a frame that b begins with, and returns the size of it.
func sameAgain(t *testing.T, f *Frame, b []byte) int {
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	n := frameHeader + h.length
	if f.Chunk == nil {
		var v any
		_ = f.Decode(&v)
		if got := sealed(f.Kind, 0, f.body); !bytes.Equal(got, b[:n]) {
			t.Fatalf("got %x, was %x", got, b[:n])
		}
		return n
	}
	ch := f.Chunk
	if len(ch.Data) == 0 || len(ch.Data) > MaxChunk || ch.Offset < 0 || ch.Offset+int64(len(ch.Data)) < 0 {
		t.Fatalf("%d bytes at %d", len(ch.Data), ch.Offset)
	}
	if h.flags == 0 {
		again := append(make([]byte, beforeData), ch.Data...)
		putChunk(again[frameHeader:], ch.File, ch.Offset, len(ch.Data))
		if seal(again, KindChunk, 0); !bytes.Equal(again, b[:n]) {
			t.Fatalf("got %x, was %x", again, b[:n])
		}
	}
	return n
}
