package stream

import (
	"errors"
	"fmt"
)

// Bounds of MessagePack that is decoded.
const (
	mostDepth  = 16
	mostValues = 1 << 20
)

var errCut = errors.New("ends within a value")

// shape says what follows the first byte of a value.
type shape struct {
	length uint8 // size of a length
	inner  uint8 // that many values for each that the length counts; if 0, it counts bytes
	fixed  uint8 // more bytes
}

// shapes are those of values that begin with 0xc0 to 0xdf.
var shapes = [32]shape{
	0x04: {1, 0, 0}, 0x05: {2, 0, 0}, 0x06: {4, 0, 0}, // bytes
	0x07: {1, 0, 1}, 0x08: {2, 0, 1}, 0x09: {4, 0, 1}, // extensions, which have a type
	0x0a: {0, 0, 4}, 0x0b: {0, 0, 8}, // floating point
	0x0c: {0, 0, 1}, 0x0d: {0, 0, 2}, 0x0e: {0, 0, 4}, 0x0f: {0, 0, 8}, // unsigned integers
	0x10: {0, 0, 1}, 0x11: {0, 0, 2}, 0x12: {0, 0, 4}, 0x13: {0, 0, 8}, // integers
	0x14: {0, 0, 2}, 0x15: {0, 0, 3}, 0x16: {0, 0, 5}, 0x17: {0, 0, 9}, 0x18: {0, 0, 17}, // extensions
	0x19: {1, 0, 0}, 0x1a: {2, 0, 0}, 0x1b: {4, 0, 0}, // strings
	0x1c: {2, 1, 0}, 0x1d: {4, 1, 0}, // arrays
	0x1e: {2, 2, 0}, 0x1f: {4, 2, 0}, // maps
}

// bounded walks over one MessagePack value that takes all of b, such that a decoder may believe the lengths in
// it: none says more than what is there. The error goes on after what it is about.
func bounded(b []byte) error {
	var left [mostDepth]uint64 // values to come, by depth
	left[0] = 1
	for depth, seen := 0, 0; depth >= 0; {
		if left[depth] == 0 {
			depth--
			continue
		}
		if seen++; seen > mostValues {
			return fmt.Errorf("has more than %d values", mostValues)
		}
		left[depth]--
		inner, rest, err := value(b)
		if err != nil {
			return err
		}
		if b = rest; inner == 0 {
			continue
		}
		if depth++; depth == mostDepth {
			return fmt.Errorf("has values nested deeper than %d", mostDepth)
		}
		left[depth] = inner
	}
	if len(b) > 0 {
		return fmt.Errorf("has %d bytes after its end", len(b))
	}
	return nil
}

// value returns the number of values inside of the one that b begins with, and what follows it or, if there are
// any, its beginning.
func value(b []byte) (inner uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errCut
	}
	code := b[0]
	b = b[1:]
	var size uint64 // in bytes
	switch {
	case code <= 0x7f, code >= 0xe0: // small integers
	case code <= 0x8f:
		inner = 2 * uint64(code&0xf)
	case code <= 0x9f:
		inner = uint64(code & 0xf)
	case code <= 0xbf:
		size = uint64(code & 0x1f)
	case code == 0xc1:
		return 0, nil, fmt.Errorf("has the byte %#x where a value begins", code)
	default:
		if inner, size, b, err = shapes[code&0x1f].read(b); err != nil {
			return 0, nil, err
		}
	}
	// The smallest value is a byte.
	if max(size, inner) > uint64(len(b)) {
		return 0, nil, errCut
	}
	return inner, b[size:], nil
}

// read returns what a value's length counts, and what is behind it.
func (s shape) read(b []byte) (inner, size uint64, rest []byte, err error) {
	if len(b) < int(s.length) {
		return 0, 0, nil, errCut
	}
	var n uint64
	for _, c := range b[:s.length] {
		n = n<<8 | uint64(c)
	}
	b = b[s.length:]
	if s.inner > 0 {
		return n * uint64(s.inner), 0, b, nil
	}
	return 0, n + uint64(s.fixed), b, nil
}
