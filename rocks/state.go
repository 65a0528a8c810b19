package rocks

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"rock/rocks/wire"
)

// State is everything that another Endpoint, on this host or elsewhere,
// needs to go on with a rock where this one left off. [Conn.Export] makes
// it, [Endpoint.Resume] takes it, and it travels and is stored in the form
// described in STATE.md (MarshalBinary, UnmarshalBinary).
//
// Whoever holds a State can take the rock over: it carries the resume keys
// and bytes of the program in clear. Store it as one stores a private key.
//
// Offsets count payload bytes of one direction from 0 at the birth of the
// rock. They tie the parts together, and Validate checks that they do:
//
//	Sent     - Acked    == len(Flight)
//	Received - Consumed == len(Input)
type State struct {
	// ID names the rock, the same at both ends and for its whole life.
	ID wire.ID
	// Role is fixed at birth: the client is the end that dialled first.
	Role wire.Role
	// Protocol is the version of the protocol that the ends agreed on, and
	// Capabilities what both can do beyond it.
	Protocol     uint8
	Capabilities uint32
	// Epoch counts the incarnations of this end from 1. Resume raises it by
	// one, and the peer then refuses every copy with a lower one.
	Epoch uint32
	// PeerEpoch is the highest epoch that the peer has proved to have, and
	// PeerIncarnation tells which of several claimants it was.
	PeerEpoch       uint32
	PeerIncarnation wire.Incarnation
	// Generation is the number of the last link that this end adopted.
	Generation uint64
	// ClientKey and ServerKey authenticate what the end of that role says
	// when a rock is resumed. Both ends know both.
	ClientKey, ServerKey Key

	// Acked is what the peer is known to have received: where Flight begins.
	Acked uint64
	// Sent is where Flight ends: what the program has written so far.
	Sent uint64
	// Flight is the flight log, bytes Acked to Sent.
	Flight []byte
	// Credit is the offset up to which the peer allows us to send. It may
	// lie before Sent: the log takes what cannot be sent yet.
	Credit uint64
	// Consumed is what the program has read: where Input begins.
	Consumed uint64
	// Received is what came from the peer, in order and without a gap.
	Received uint64
	// Input is what came and was not read by the program yet.
	Input []byte
	// Granted is the offset up to which the peer was allowed to send.
	Granted uint64

	// FinSent says that the program closed its sending side: no byte
	// follows Sent. FinAcked says that the peer knows.
	FinSent, FinAcked bool
	// FinReceived says that the peer closed its sending side: no byte
	// follows Received.
	FinReceived bool
	// ReadClosed says that the program wants no more input.
	ReadClosed bool
	// Closed says that the program has closed the connection and only the
	// delivery of Flight and the FIN remain to be done.
	Closed bool
	// ResetPending says that a reset is still to be told to the peer.
	ResetPending bool
	// ResetReceived says that the peer has reset the rock and the program
	// has not yet been told.
	ResetReceived bool

	// Local and Remote are the addresses shown to the program. They stay
	// what they were at birth, whatever addresses the links have.
	Local, Remote netip.AddrPort
	// Dialed is the address that the rock was first connected to: that of
	// the server for a client, that of its own listener for a server.
	Dialed netip.AddrPort
	// Peers are the addresses at which to look for the peer, best first,
	// at most [MaxPeers].
	Peers []netip.AddrPort
	// Options are socket options of the program's socket that nobody else
	// keeps, at most [MaxOptions]. The library carries them and sets none.
	Options map[SocketOption][]byte

	// Suspended is when the rock was last seen connected; Timeout counts
	// from here. It is kept to the nanosecond, in UTC.
	Suspended time.Time
	// Timeout is the time after which a suspended rock closes.
	Timeout time.Duration
	// FlightLimit and ReceiveLimit bound, in bytes, the flight log and the
	// input that is not read yet.
	FlightLimit, ReceiveLimit int
}

// SocketOption names a socket option as setsockopt(2) does.
type SocketOption struct{ Level, Name int32 }

// KeySize is the length of a Key in bytes.
const KeySize = 32

// Key is a secret. Printed, logged or marshalled as text it is a placeholder.
type Key [KeySize]byte

// Format writes a placeholder for every verb, never the key.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(key)") }

// MarshalText returns a placeholder, never the key.
func (Key) MarshalText() ([]byte, error) { return []byte("(key)"), nil }

// LogValue returns a placeholder, never the key.
func (Key) LogValue() slog.Value { return slog.StringValue("(key)") }

// LogValue shows of a State what is safe in a log: no key, no payload.
func (s *State) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Any("id", s.ID),
		slog.Any("role", s.Role),
		slog.Uint64("epoch", uint64(s.Epoch)),
		slog.Uint64("sent", s.Sent),
		slog.Uint64("received", s.Received),
		slog.Int("in_flight", len(s.Flight)),
		slog.Int("unread", len(s.Input)),
	)
}
