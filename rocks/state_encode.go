package rocks

import (
	"bytes"
	"cmp"
	"encoding"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
)

// StateVersion is the version of the serialized form that MarshalBinary
// writes and the only one that UnmarshalBinary reads.
const StateVersion = 1

// stateFields is the length of the outermost array, version included.
const stateFields = 36

var (
	_ encoding.BinaryMarshaler   = (*State)(nil)
	_ encoding.BinaryUnmarshaler = (*State)(nil)
)

// MarshalBinary returns s in the form described in STATE.md. The same State
// gives the same bytes. A State that Validate refuses is not written.
func (s *State) MarshalBinary() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return s.encode()
}

// encode writes the fields in the order of STATE.md.
func (s *State) encode() ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(len(s.Flight) + len(s.Input) + 1024)
	e := stateEncoder{enc: msgpack.NewEncoder(&buf)}
	e.array(stateFields)
	e.uint(StateVersion)

	e.bytes(s.ID[:])
	e.uint(uint64(s.Role))
	e.uint(uint64(s.Protocol))
	e.uint(uint64(s.Capabilities))
	e.uint(uint64(s.Epoch))
	e.uint(uint64(s.PeerEpoch))
	e.bytes(s.PeerIncarnation[:])
	e.uint(s.Generation)
	e.bytes(s.ClientKey[:])
	e.bytes(s.ServerKey[:])

	e.uint(s.Acked)
	e.uint(s.Sent)
	e.bytes(s.Flight)
	e.uint(s.Credit)
	e.uint(s.Consumed)
	e.uint(s.Received)
	e.bytes(s.Input)
	e.uint(s.Granted)

	for _, f := range s.flags() {
		e.bool(*f)
	}

	e.addr(s.Local)
	e.addr(s.Remote)
	e.addr(s.Dialed)
	e.addrs(s.Peers)
	e.options(s.Options)
	e.time(s)
	e.uint(uint64(s.FlightLimit))
	e.uint(uint64(s.ReceiveLimit))
	return buf.Bytes(), e.err
}

// flags lists the flags in the order of STATE.md.
func (s *State) flags() []*bool {
	return []*bool{
		&s.FinSent, &s.FinAcked, &s.FinReceived, &s.ReadClosed,
		&s.Closed, &s.ResetPending, &s.ResetReceived,
	}
}

// stateEncoder keeps the first error, so that encode reads as a list.
type stateEncoder struct {
	enc *msgpack.Encoder
	err error
}

func (e *stateEncoder) keep(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *stateEncoder) array(n int)   { e.keep(e.enc.EncodeArrayLen(n)) }
func (e *stateEncoder) uint(v uint64) { e.keep(e.enc.EncodeUint(v)) }
func (e *stateEncoder) int(v int64)   { e.keep(e.enc.EncodeInt(v)) }
func (e *stateEncoder) bool(v bool)   { e.keep(e.enc.EncodeBool(v)) }
func (e *stateEncoder) bytes(b []byte) {
	// A nil slice would be written as nil: one meaning, one encoding.
	e.keep(e.enc.EncodeBytesLen(len(b)))
	_, err := e.enc.Writer().Write(b)
	e.keep(err)
}

// addr writes netip's binary form: address, zone, port; empty if invalid.
func (e *stateEncoder) addr(a netip.AddrPort) {
	if !a.IsValid() {
		e.bytes(nil)
		return
	}
	b, err := a.MarshalBinary()
	e.keep(err)
	e.bytes(b)
}

func (e *stateEncoder) addrs(list []netip.AddrPort) {
	e.array(len(list))
	for _, a := range list {
		e.addr(a)
	}
}

// options writes the options ordered by level and name.
func (e *stateEncoder) options(m map[SocketOption][]byte) {
	keys := make([]SocketOption, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareOptions)
	e.array(len(keys))
	for _, k := range keys {
		e.array(3)
		e.int(int64(k.Level))
		e.int(int64(k.Name))
		e.bytes(m[k])
	}
}

func compareOptions(a, b SocketOption) int {
	return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Name, b.Name))
}

// time writes the moment of suspension, as seconds and nanoseconds since
// 1970, and the time limit in nanoseconds.
func (e *stateEncoder) time(s *State) {
	e.int(s.Suspended.Unix())
	e.uint(uint64(s.Suspended.Nanosecond()))
	e.uint(uint64(s.Timeout))
}
