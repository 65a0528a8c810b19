package wire

import (
	"encoding/binary"
	"fmt"
)

// A frame is
//
//	offset  size  field
//	0       1     type
//	1       3     length of the body
//	4       n     body
//
// The length says nothing new for types of fixed size, and any other is refused.
const (
	FrameHeaderSize = 4
	DataHeaderSize  = FrameHeaderSize + 8 // of a data frame, offset included
	MaxData         = 256 << 10           // bytes of payload in one data frame
	// MaxControl is the size of the largest frame that is not a data frame.
	MaxControl = FrameHeaderSize + 3 + 17*MaxAddrs
)

// FrameType is the kind of a frame.
type FrameType uint8

// Frame types. The numbers travel: never renumber.
const (
	FrameData      FrameType = 1
	FrameAck       FrameType = 2
	FramePing      FrameType = 3
	FramePong      FrameType = 4
	FrameFin       FrameType = 5
	FrameReset     FrameType = 6
	FrameMoved     FrameType = 7
	FrameAddresses FrameType = 8
)

// frameSizes holds what is allowed as length of the body, by type.
var frameSizes = [...]struct {
	name     string
	min, max int
}{
	FrameData:      {"data", 8 + 1, 8 + MaxData},
	FrameAck:       {"ack", 16, 16},
	FramePing:      {"ping", 8, 8},
	FramePong:      {"pong", 8, 8},
	FrameFin:       {"fin", 8, 8},
	FrameReset:     {"reset", 1, 1},
	FrameMoved:     {"moved", 3, 3 + 17*MaxAddrs},
	FrameAddresses: {"addresses", 3, 3 + 17*MaxAddrs},
}

// String returns the name of the type, or "frame(n)".
func (t FrameType) String() string {
	if int(t) < len(frameSizes) && frameSizes[t].name != "" {
		return frameSizes[t].name
	}
	return fmt.Sprintf("frame(%d)", uint8(t))
}

// FrameHeader is the decoded header of a frame.
type FrameHeader struct {
	Type   FrameType
	Length int // of the body
}

// ParseFrameHeader decodes the first FrameHeaderSize bytes of b, which must have that
// many. A type that is not known or a length that its type does not allow is a *FormatError.
func ParseFrameHeader(b []byte) (FrameHeader, error) {
	v := binary.BigEndian.Uint32(b)
	h := FrameHeader{Type: FrameType(v >> 24), Length: int(v & 0xffffff)}
	if int(h.Type) >= len(frameSizes) || frameSizes[h.Type].name == "" {
		return h, malformed("frame", "unknown type %d", uint8(h.Type))
	}
	if s := &frameSizes[h.Type]; h.Length < s.min || h.Length > s.max {
		return h, malformed(s.name+" frame", "body of %d bytes, %d to %d are allowed", h.Length, s.min, s.max)
	}
	return h, nil
}

func appendFrameHeader(b []byte, t FrameType, length int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(t)<<24|uint32(length))
}

// AppendDataHeader appends all of a data frame but its payload, which is n bytes (1
// to MaxData) that start at offset.
func AppendDataHeader(b []byte, offset uint64, n int) []byte {
	b = appendFrameHeader(b, FrameData, 8+n)
	return binary.BigEndian.AppendUint64(b, offset)
}

// ParseDataOffset returns the offset field from the body of a data frame, of which
// b must have the first 8 bytes.
func ParseDataOffset(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// Frame is one frame: [Data], [Ack], [Ping], [Pong], [Fin], [Reset], [Moved] or
// [AddressUpdate].
type Frame interface {
	FrameType() FrameType
	appendFrameBody(b []byte) []byte
}

// AppendFrame appends the encoding of f, header included, to b. A Data without or with too much
// payload is the caller's mistake and gives what ParseFrame refuses.
func AppendFrame(b []byte, f Frame) []byte {
	b = appendFrameHeader(b, f.FrameType(), 0)
	at := len(b)
	b = f.appendFrameBody(b)
	n := len(b) - at
	b[at-3], b[at-2], b[at-1] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

// ParseFrame decodes the frame at the start of b and returns it with its size in bytes. The
// payload of a Data is part of b. It returns ErrShort if b ends too early, or a *FormatError.
func ParseFrame(b []byte) (Frame, int, error) {
	if len(b) < FrameHeaderSize {
		return nil, 0, ErrShort
	}
	h, err := ParseFrameHeader(b)
	if err != nil {
		return nil, 0, err
	}
	n := FrameHeaderSize + h.Length
	if len(b) < n {
		return nil, 0, ErrShort
	}
	f, err := ParseFrameBody(h.Type, b[FrameHeaderSize:n])
	return f, n, err
}
