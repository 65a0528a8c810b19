package detect

import "fmt"

// Decision says what to do with an accepted connection.
type Decision uint8

const (
	// Hold: keep it from the program, report what happens on it, and report the
	// time when its deadline has come.
	Hold Decision = iota
	// Deliver: it is ordinary. Hand it to the program with every byte that came.
	Deliver
	// Ours: its bytes begin with the magic. Hand it to the protocol.
	Ours
	// Announce: it is a probe. Send the announcement, then close it.
	Announce
	// Drop: the client has given it up. Close it, the program never sees it.
	Drop
)

// String returns the decision in lower case, for logs.
func (d Decision) String() string {
	names := [...]string{"hold", "deliver", "ours", "announce", "drop"}
	if int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("decision(%d)", uint8(d))
}

// EventKind is a kind of Event.
type EventKind uint8

const (
	Bytes  EventKind = iota // bytes came
	EOF                     // the client half-closed
	Reset                   // the client reset, or the connection failed
	Timer                   // time has passed
	Probed                  // a probe came from the same IP address
)

// Event is something that happened on, or to, an accepted connection.
type Event struct {
	Kind  EventKind
	Bytes []byte // with Bytes: all that came since the beginning
	Held  bool   // with EOF: a marked connection from the same IP address is held
}
