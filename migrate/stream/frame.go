package stream

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"
)

// A frame is
//
//	offset  size  field
//	0       1     kind
//	1       1     flags
//	2       4     length of the body
//	6       8     XXH3-64 of the 6 bytes above and the body
//	14      n     body
//
// The body of a chunk is
//
//	0       4     file
//	4       8     offset in it
//	12      4     length of the data
//	16      n     data, compressed by zstd if flagZstd says so
const (
	sumOffset   = 6
	frameHeader = sumOffset + 8
	chunkHeader = 4 + 8 + 4

	flagZstd = 1
)

// Bounds of what travels.
const (
	// KindChunk is the kind of frames with a part of a file. Those with messages have smaller ones.
	KindChunk uint8 = 255
	// MaxChunk is the most data that a chunk has, decompressed. It is not larger when compressed.
	MaxChunk = 1 << 20
	// MaxMessage is the most that the body of a message has, encoded.
	MaxMessage = 4 << 20
)

// header is what a frame begins with.
type header struct {
	kind, flags uint8
	length      int
	sum         uint64
}

// parseHeader decodes the first frameHeader bytes of b.
func parseHeader(b []byte) (header, error) {
	h := header{b[0], b[1], 0, binary.BigEndian.Uint64(b[sumOffset:])}
	least, most := uint32(0), uint32(MaxMessage)
	known := uint8(0)
	if h.kind == KindChunk {
		least, most, known = chunkHeader+1, chunkHeader+MaxChunk, flagZstd
	}
	if h.flags&^known != 0 {
		return h, damaged("a frame of kind %d has the flags %#x", h.kind, h.flags)
	}
	length := binary.BigEndian.Uint32(b[2:])
	if length < least || length > most {
		return h, damaged("a frame of kind %d has a length of %d, %d to %d are allowed", h.kind, length, least, most)
	}
	h.length = int(length)
	return h, nil
}

// seal fills in the header of a frame, whose body follows the room for it.
func seal(frame []byte, kind, flags uint8) {
	body := frame[frameHeader:]
	frame[0], frame[1] = kind, flags
	binary.BigEndian.PutUint32(frame[2:], uint32(len(body)))
	binary.BigEndian.PutUint64(frame[sumOffset:], checksum(frame, body))
}

// checksum is that of a frame with such a header.
func checksum(head, body []byte) uint64 {
	var h xxh3.Hasher
	h.Write(head[:sumOffset]) // never fails
	h.Write(body)
	return h.Sum64()
}

// putChunk fills in the header of a chunk's body.
func putChunk(body []byte, file uint32, offset int64, length int) {
	binary.BigEndian.PutUint32(body, file)
	binary.BigEndian.PutUint64(body[4:], uint64(offset))
	binary.BigEndian.PutUint32(body[12:], uint32(length))
}

// parseChunk decodes a chunk's body, which has at least its header, but for its data: these are returned as
// they travel, with the length that they are to have.
func parseChunk(body []byte) (ch Chunk, length int, err error) {
	ch = Chunk{File: binary.BigEndian.Uint32(body), Data: body[chunkHeader:]}
	offset, n := binary.BigEndian.Uint64(body[4:]), binary.BigEndian.Uint32(body[12:])
	if n == 0 || n > MaxChunk {
		return ch, 0, damaged("a chunk has %d bytes of data, 1 to %d are allowed", n, MaxChunk)
	}
	if offset > math.MaxInt64-uint64(n) {
		return ch, 0, damaged("a chunk has the offset %d", offset)
	}
	ch.Offset = int64(offset)
	return ch, int(n), nil
}
