package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Just enough of migrate/stream/FRAMES.md.
const (
	helloLength  = 12
	headerLength = 14
	longest      = 4 << 20
)

// kinds of frames, by name: see migrate/message.go.
var kinds = map[string]byte{
	"offer": 1, "verdict": 2, "file": 3, "complete": 4, "ready": 5, "commit": 6, "done": 7, "abort": 8, "progress": 9, "chunk": 255,
}

// readFrame reads one frame, with its header.
func readFrame(r io.Reader) ([]byte, error) {
	frame := make([]byte, headerLength)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(frame[2:])
	if n > longest {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame = append(frame, make([]byte, n)...)
	_, err := io.ReadFull(r, frame[headerLength:])
	return frame, err
}
