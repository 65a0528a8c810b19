package rocks

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"rock/rocks/wire"
)

// UnmarshalBinary reads what MarshalBinary wrote and accepts nothing else:
// another version is a [*StateVersionError], everything wrong with the bytes
// or with what they say is a [*StateError], and s is then as it was.
// It allocates no more than a small multiple of len(data).
func (s *State) UnmarshalBinary(data []byte) error {
	if len(data) > MaxStateSize {
		return &StateError{Field: "state", Reason: fmt.Sprintf("%d bytes, at most %d allowed", len(data), MaxStateSize)}
	}
	var st State
	if err := st.decode(data); err != nil {
		return err
	}
	if err := st.Validate(); err != nil {
		return err
	}
	// Several encodings of one State would give an image several checksums
	// and a reader several chances to disagree with another one.
	again, err := st.encode()
	if err != nil || !bytes.Equal(again, data) {
		return &StateError{Field: "state", Reason: "not in canonical form"}
	}
	*s = st
	return nil
}

func (s *State) decode(data []byte) error {
	r := bytes.NewReader(data)
	d := stateDecoder{r: r, dec: msgpack.NewDecoder(r)}
	// The version comes before the length is looked at: another version
	// may well have another number of fields.
	n := d.array("state", math.MaxInt32)
	if v := d.uint("version", math.MaxUint64); d.err == nil && v != StateVersion {
		return &StateVersionError{Version: v}
	}
	if d.err == nil && n != stateFields {
		d.fail("state", fmt.Sprintf("%d fields, want %d", n, stateFields))
	}

	d.fixed("id", s.ID[:])
	s.Role = wire.Role(d.uint("role", math.MaxUint8))
	s.Protocol = uint8(d.uint("protocol", math.MaxUint8))
	s.Capabilities = uint32(d.uint("capabilities", math.MaxUint32))
	s.Epoch = uint32(d.uint("epoch", math.MaxUint32))
	s.PeerEpoch = uint32(d.uint("peer epoch", math.MaxUint32))
	d.fixed("peer incarnation", s.PeerIncarnation[:])
	s.Generation = d.uint("generation", math.MaxUint64)
	d.fixed("client key", s.ClientKey[:])
	d.fixed("server key", s.ServerKey[:])

	s.Acked = d.uint("acked", math.MaxUint64)
	s.Sent = d.uint("sent", math.MaxUint64)
	s.Flight = d.bytes("flight", MaxStateSize)
	s.Credit = d.uint("credit", math.MaxUint64)
	s.Consumed = d.uint("consumed", math.MaxUint64)
	s.Received = d.uint("received", math.MaxUint64)
	s.Input = d.bytes("input", MaxStateSize)
	s.Granted = d.uint("granted", math.MaxUint64)

	for _, f := range s.flags() {
		*f = d.bool("flags")
	}

	s.Local = d.addr("local")
	s.Remote = d.addr("remote")
	s.Dialed = d.addr("dialed")
	s.Peers = d.addrs("peers")
	s.Options = d.options("options")
	sec := d.int("suspended", math.MaxInt64)
	s.Suspended = time.Unix(sec, int64(d.uint("suspended", 999_999_999))).UTC()
	s.Timeout = time.Duration(d.uint("timeout", math.MaxInt64))
	s.FlightLimit = int(d.uint("flight limit", math.MaxInt32))
	s.ReceiveLimit = int(d.uint("receive limit", math.MaxInt32))
	if d.err == nil && r.Len() > 0 {
		d.fail("state", fmt.Sprintf("%d bytes follow the last field", r.Len()))
	}
	return d.err
}

// stateDecoder keeps the first error; after it every method returns zero.
type stateDecoder struct {
	r   *bytes.Reader
	dec *msgpack.Decoder
	err error
}

func (d *stateDecoder) fail(field, reason string) {
	if d.err == nil {
		d.err = &StateError{Field: field, Reason: reason}
	}
}

// take returns v unless reading failed now or before.
func take[T any](d *stateDecoder, field string, read func() (T, error)) T {
	var zero T
	if d.err != nil {
		return zero
	}
	v, err := read()
	if err != nil {
		d.fail(field, err.Error())
		return zero
	}
	return v
}

func (d *stateDecoder) bool(field string) bool { return take(d, field, d.dec.DecodeBool) }

func (d *stateDecoder) uint(field string, limit uint64) uint64 {
	v := take(d, field, d.dec.DecodeUint64)
	if v > limit {
		d.fail(field, fmt.Sprintf("%d is over %d", v, limit))
		return 0
	}
	return v
}

func (d *stateDecoder) int(field string, limit int64) int64 {
	v := take(d, field, d.dec.DecodeInt64)
	if v > limit || v < -limit-1 {
		d.fail(field, fmt.Sprintf("%d is out of range", v))
		return 0
	}
	return v
}

func (d *stateDecoder) array(field string, limit int) int {
	n := take(d, field, d.dec.DecodeArrayLen)
	if n < 0 || n > limit {
		d.fail(field, fmt.Sprintf("%d entries, at most %d allowed", n, limit))
		return 0
	}
	return n
}

// bytes reads a string of at most limit bytes. The length is held against
// what is left of the input before anything is allocated.
func (d *stateDecoder) bytes(field string, limit int) []byte {
	n := take(d, field, d.dec.DecodeBytesLen)
	if d.err != nil {
		return nil
	}
	if n < 0 || n > limit || n > d.r.Len() {
		d.fail(field, fmt.Sprintf("%d bytes, %d left, at most %d allowed", n, d.r.Len(), limit))
		return nil
	}
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	return take(d, field, func() ([]byte, error) { return b, d.dec.ReadFull(b) })
}

// fixed reads a string of exactly len(b) bytes.
func (d *stateDecoder) fixed(field string, b []byte) {
	got := d.bytes(field, len(b))
	if d.err == nil && len(got) != len(b) {
		d.fail(field, fmt.Sprintf("%d bytes, want %d", len(got), len(b)))
	}
	copy(b, got)
}

func (d *stateDecoder) addr(field string) (a netip.AddrPort) {
	b := d.bytes(field, 64)
	if len(b) == 0 {
		return a
	}
	if err := a.UnmarshalBinary(b); err != nil {
		d.fail(field, err.Error())
	}
	return a
}

func (d *stateDecoder) addrs(field string) []netip.AddrPort {
	var list []netip.AddrPort
	for range d.array(field, MaxPeers) {
		list = append(list, d.addr(field))
	}
	return slices.Clip(list)
}

func (d *stateDecoder) options(field string) map[SocketOption][]byte {
	n := d.array(field, MaxOptions)
	if n == 0 {
		return nil
	}
	m := make(map[SocketOption][]byte, n)
	for range n {
		if d.array(field, 3) != 3 {
			d.fail(field, "an entry is not level, name, value")
		}
		k := SocketOption{
			Level: int32(d.int(field, math.MaxInt32)),
			Name:  int32(d.int(field, math.MaxInt32)),
		}
		m[k] = d.bytes(field, MaxOptionSize)
	}
	return m
}
