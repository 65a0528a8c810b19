package wire

import "encoding/binary"

// Data carries payload that starts at Offset of the stream. Body: 8 offset, payload.
type Data struct {
	Offset  uint64
	Payload []byte // 1 to MaxData bytes
}

// Ack says what has arrived and how much more may be sent. Body: 8 received, 8 limit.
type Ack struct {
	Received uint64 // everything before this offset has arrived; the FIN counts as one byte
	Limit    uint64 // payload before this offset may be sent
}

// Ping asks for a Pong with the same token, and for an Ack if one is due. Body: 8 token.
type Ping struct{ Token uint64 }

// Pong answers a Ping. Body: 8 token.
type Pong struct{ Token uint64 }

// Fin says that the sender's stream ends at Offset. Body: 8 offset.
type Fin struct{ Offset uint64 }

// ResetCode says why a rock is reset.
type ResetCode uint8

// Reset codes. The numbers travel: never renumber.
const (
	ResetDone    ResetCode = 0 // no reset: the rock has ended at the sender, in order or by the receiver's reset
	ResetProgram ResetCode = 1 // the program has asked for it
	ResetUnread  ResetCode = 2 // closed while there was input that nobody will read
	ResetLost    ResetCode = 3 // the sender can not go on, for example because it is a stale copy
)

// Reset ends the rock at once, in both directions. Body: 1 code.
type Reset struct{ Code ResetCode }

// Moved says that the sender's end of the rock is now elsewhere; this link ends. Body: addresses.
type Moved struct{ Addresses Addresses }

// AddressUpdate says where the sender can be dialled from now on. Body: addresses.
type AddressUpdate struct{ Addresses Addresses }

// FrameType returns FrameData.
func (Data) FrameType() FrameType { return FrameData }

// FrameType returns FrameAck.
func (Ack) FrameType() FrameType { return FrameAck }

// FrameType returns FramePing.
func (Ping) FrameType() FrameType { return FramePing }

// FrameType returns FramePong.
func (Pong) FrameType() FrameType { return FramePong }

// FrameType returns FrameFin.
func (Fin) FrameType() FrameType { return FrameFin }

// FrameType returns FrameReset.
func (Reset) FrameType() FrameType { return FrameReset }

// FrameType returns FrameMoved.
func (Moved) FrameType() FrameType { return FrameMoved }

// FrameType returns FrameAddresses.
func (AddressUpdate) FrameType() FrameType { return FrameAddresses }

func (f Data) appendFrameBody(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, f.Offset), f.Payload...)
}

func (f Ack) appendFrameBody(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, f.Received), f.Limit)
}

func (f Ping) appendFrameBody(b []byte) []byte  { return binary.BigEndian.AppendUint64(b, f.Token) }
func (f Pong) appendFrameBody(b []byte) []byte  { return binary.BigEndian.AppendUint64(b, f.Token) }
func (f Fin) appendFrameBody(b []byte) []byte   { return binary.BigEndian.AppendUint64(b, f.Offset) }
func (f Reset) appendFrameBody(b []byte) []byte { return append(b, byte(f.Code)) }
func (f Moved) appendFrameBody(b []byte) []byte { return AppendAddresses(b, f.Addresses) }
func (f AddressUpdate) appendFrameBody(b []byte) []byte {
	return AppendAddresses(b, f.Addresses)
}

// ParseFrameBody decodes the whole body of a frame of type t whose header
// ParseFrameHeader has accepted. The payload of a Data is part of body.
func ParseFrameBody(t FrameType, body []byte) (Frame, error) {
	r := reader{b: body}
	var f Frame
	switch t {
	case FrameData:
		f = Data{Offset: r.u64(), Payload: r.b}
		r.b = nil
	case FrameAck:
		f = Ack{Received: r.u64(), Limit: r.u64()}
	case FramePing:
		f = Ping{Token: r.u64()}
	case FramePong:
		f = Pong{Token: r.u64()}
	case FrameFin:
		f = Fin{Offset: r.u64()}
	case FrameReset:
		code := ResetCode(r.u8())
		r.bad = r.bad || code > ResetLost
		f = Reset{Code: code}
	case FrameMoved:
		f = Moved{Addresses: r.addresses()}
	case FrameAddresses:
		f = AddressUpdate{Addresses: r.addresses()}
	default:
		return nil, malformed("frame", "unknown type %d", uint8(t))
	}
	if r.bad || len(r.b) > 0 {
		return nil, malformed(t.String()+" frame", "a field is missing, out of range or too long in %d bytes", len(body))
	}
	return f, nil
}
