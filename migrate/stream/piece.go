package stream

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

const beforeData = frameHeader + chunkHeader

// piece is the memory for a chunk that is sent, of which one goroutine at a time has hold.
type piece struct {
	raw   []byte // a frame with room for data
	small []byte // a frame with these compressed
}

// room is where to put the data.
func (p *piece) room() []byte {
	if p.raw == nil {
		p.raw = make([]byte, beforeData+ChunkSize)
	}
	return p.raw[beforeData:]
}

// plain is a frame with the first n bytes of data.
func (p *piece) plain(file uint32, offset int64, n int) []byte {
	frame := p.raw[:beforeData+n]
	putChunk(frame[frameHeader:], file, offset, n)
	return frame
}

// compressed is the same frame with these compressed.
func (p *piece) compressed(enc *zstd.Encoder, n int) []byte {
	p.small = append(p.small[:0], p.raw[:beforeData]...)
	p.small = enc.EncodeAll(p.raw[beforeData:][:n], p.small)
	return p.small
}

// mostPlain bounds how many chunks are sent as they are until it is tried again whether they can be
// compressed.
const mostPlain = 32

// gain decides whether chunks are compressed: as long as they become smaller by a tenth. It is safe for
// concurrent use.
type gain struct {
	mu    sync.Mutex
	plain int // chunks still to be sent as they are
	run   int // how many that were the last time
}

// try says whether to compress the next chunk.
func (g *gain) try() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.plain == 0 {
		return true
	}
	g.plain--
	return false
}

// tried says whether it was worth it, for n bytes that became so many.
func (g *gain) tried(n, compressed int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if compressed < n-n/10 {
		g.run, g.plain = 0, 0
		return true
	}
	// Others that were tried at the same time say nothing new.
	if g.plain == 0 {
		g.run = min(max(1, 2*g.run), mostPlain)
		g.plain = g.run
	}
	return false
}
