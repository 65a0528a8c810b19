package stream

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// pair returns two connected ends over pipes without any buffer.
func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	x, y := net.Pipe()
	t.Cleanup(func() { x.Close(); y.Close() })
	return New(x, x), New(y, y)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// receiver returns an end that is given b and then the end of the stream.
func receiver(b []byte) *Conn { return New(bytes.NewReader(b), io.Discard) }

// files puts together what is received.
type files struct {
	data     map[uint32][]byte
	messages []Frame
}

// receive takes all up to the end of the stream.
func (f *files) receive(c *Conn) error {
	f.data = map[uint32][]byte{}
	for {
		frame, err := c.Receive()
		if err != nil {
			return err
		}
		ch := frame.Chunk
		if ch == nil {
			f.messages = append(f.messages, *frame)
			continue
		}
		b := f.data[ch.File]
		if end := int(ch.Offset) + len(ch.Data); len(b) < end {
			b = append(b, make([]byte, end-len(b))...)
		}
		copy(b[ch.Offset:], ch.Data)
		f.data[ch.File] = b
	}
}

// growing is a file that is appended to.
type growing struct {
	mu  sync.Mutex
	b   []byte
	err error // instead of reading
}

func (g *growing) ReadAt(b []byte, offset int64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return bytes.NewReader(g.b).ReadAt(b, offset)
}

func (g *growing) append(b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.b = append(g.b, b...)
}
