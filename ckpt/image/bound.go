package image

import (
	"errors"
	"fmt"
)

// Bounds of MessagePack that is decoded.
const (
	mostDepth    = 16
	mostElements = 1 << 20
)

var errCut = errors.New("ends within a value")

// bounded walks over one MessagePack value that takes all of b, such that a decoder may believe the lengths in
// it: none says more than what is there, and no array or map is larger than mostElements.
func bounded(b []byte) error {
	rest, err := walk(b, mostDepth)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("has %d bytes after its end", len(rest))
	}
	return err
}

// walk returns what follows the first value of b.
func walk(b []byte, depth int) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errCut
	}
	if depth == 0 {
		return nil, fmt.Errorf("has values nested deeper than %d", mostDepth)
	}
	code := b[0]
	b = b[1:]
	switch {
	case code <= 0x7f, code >= 0xe0, code == 0xc0, code == 0xc2, code == 0xc3: // small integers, nil, false, true
		return b, nil
	case code <= 0x8f:
		return elements(b, 2*uint64(code&0xf), depth)
	case code <= 0x9f:
		return elements(b, uint64(code&0xf), depth)
	case code <= 0xbf:
		return skip(b, uint64(code&0x1f))
	}
	switch code {
	case 0xc4, 0xc5, 0xc6: // bytes
		return sized(b, code-0xc4, 0)
	case 0xc7, 0xc8, 0xc9: // extensions, which have a type before the data
		return sized(b, code-0xc7, 1)
	case 0xca, 0xcb: // floating point
		return skip(b, 4<<(code-0xca))
	case 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3: // integers
		return skip(b, 1<<(code&3))
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of a fixed size
		return skip(b, 1+1<<(code-0xd4))
	case 0xd9, 0xda, 0xdb: // strings
		return sized(b, code-0xd9, 0)
	case 0xdc, 0xdd, 0xde, 0xdf: // arrays, maps
		n, b, err := length(b, 1+code&1)
		if err != nil {
			return nil, err
		}
		if code >= 0xde {
			n *= 2
		}
		return elements(b, n, depth)
	}
	return nil, fmt.Errorf("has the byte %#x where a value begins", code)
}

// length reads one of 1, 2 or 4 bytes, by its logarithm.
func length(b []byte, log byte) (n uint64, rest []byte, err error) {
	size := 1 << log
	if len(b) < size {
		return 0, nil, errCut
	}
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	return n, b[size:], nil
}

// sized skips something behind its length.
func sized(b []byte, log byte, more uint64) (rest []byte, err error) {
	n, b, err := length(b, log)
	if err != nil {
		return nil, err
	}
	return skip(b, n+more)
}

func skip(b []byte, n uint64) (rest []byte, err error) {
	if n > uint64(len(b)) {
		return nil, errCut
	}
	return b[n:], nil
}

// elements walks over n values.
func elements(b []byte, n uint64, depth int) (rest []byte, err error) {
	if n > uint64(len(b)) {
		return nil, errCut
	}
	if n > 2*mostElements {
		return nil, fmt.Errorf("has an array or map of more than %d elements", mostElements)
	}
	for ; n > 0; n-- {
		if b, err = walk(b, depth-1); err != nil {
			return nil, err
		}
	}
	return b, nil
}
