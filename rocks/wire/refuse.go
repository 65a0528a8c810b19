package wire

import "fmt"

// Reason says why a handshake was refused.
type Reason uint8

// Reasons. The numbers travel: never renumber. Stale, RolledBack, Closed and
// Moved count only with a valid MAC.
const (
	ReasonVersion    Reason = 1 // no common protocol version
	ReasonBusy       Reason = 2 // too many handshakes at once; try again
	ReasonUnknown    Reason = 3 // no rock with this id here
	ReasonStale      Reason = 4 // a newer incarnation of the receiver owns the rock
	ReasonRolledBack Reason = 5 // the receiver has forgotten what it had told or taken
	ReasonClosed     Reason = 6 // the rock has ended
	ReasonSuperseded Reason = 7 // a newer link exists already
	ReasonMoved      Reason = 8 // the rock's end is now at the addresses given
)

var reasonNames = [...]string{
	ReasonVersion: "version", ReasonBusy: "busy", ReasonUnknown: "unknown rock", ReasonStale: "stale epoch",
	ReasonRolledBack: "rolled back", ReasonClosed: "closed", ReasonSuperseded: "superseded", ReasonMoved: "moved",
}

// String returns the reason in words, or "reason(n)".
func (r Reason) String() string {
	if r.valid() {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

func (r Reason) valid() bool { return int(r) < len(reasonNames) && reasonNames[r] != "" }

// Refuse ends a handshake without a link. The sender closes after it. Body:
//
//	0 1 reason   1 1 lowest version   2 1 highest version   3 n addresses
//	3+n 32 MAC by the sender, zero if it has no keys of the rock
type Refuse struct {
	Reason    Reason
	Versions  Versions  // that the sender speaks
	Addresses Addresses // for ReasonMoved; else empty
	MAC       [MACSize]byte
}

// Type returns TypeRefuse.
func (*Refuse) Type() Type { return TypeRefuse }

func (m *Refuse) appendBody(b []byte) []byte {
	b = append(b, byte(m.Reason), m.Versions.Min, m.Versions.Max)
	b = AppendAddresses(b, m.Addresses)
	return append(b, m.MAC[:]...)
}

func (m *Refuse) parseBody(r *reader) {
	m.Reason = Reason(r.u8())
	m.Versions = r.versions()
	m.Addresses = r.addresses()
	r.bytes(m.MAC[:])
	if !m.Reason.valid() {
		r.bad = true
	}
}
