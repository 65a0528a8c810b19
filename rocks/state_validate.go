package rocks

import (
	"fmt"
	"time"
)

// Limits of a serialized State. They are far above what one rock needs and
// low enough that a forged State cannot exhaust memory.
const (
	// MaxStateSize is the largest serialized State, in bytes.
	MaxStateSize = 1 << 30
	// MaxPeers is the largest number of peer addresses.
	MaxPeers = 64
	// MaxOptions is the largest number of socket options.
	MaxOptions = 64
	// MaxOptionSize is the largest value of a socket option, in bytes.
	MaxOptionSize = 1024
)

// StateVersionError says that a State was written in a version that this
// program does not read.
type StateVersionError struct {
	Version uint64 // as found
}

func (e *StateVersionError) Error() string {
	return fmt.Sprintf("state has version %d, this program reads version %d", e.Version, StateVersion)
}

// StateError says what is wrong with a State. It carries no payload and no
// key, and may be logged.
type StateError struct {
	Field  string // as STATE.md names it
	Reason string
}

func (e *StateError) Error() string { return "state: " + e.Field + ": " + e.Reason }

// Validate reports as a [*StateError] the first thing that cannot be true
// of a rock. Only a valid State is written, read or resumed.
func (s *State) Validate() error {
	for _, check := range []func() *StateError{
		s.checkIdentity, s.checkOffsets, s.checkFlags, s.checkAddresses, s.checkLimits,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func refuse(field, format string, args ...any) *StateError {
	return &StateError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

func (s *State) checkIdentity() *StateError {
	switch {
	case s.ID.IsZero():
		return refuse("id", "is zero")
	case !s.Role.Valid():
		return refuse("role", "is %d, neither client nor server", s.Role)
	case s.Protocol == 0:
		return refuse("protocol", "is zero")
	case s.Epoch == 0:
		return refuse("epoch", "is zero")
	case s.PeerEpoch == 0:
		return refuse("peer epoch", "is zero")
	case s.ClientKey == Key{}:
		return refuse("client key", "is zero")
	case s.ServerKey == Key{}:
		return refuse("server key", "is zero")
	case s.ClientKey == s.ServerKey:
		// One key for both directions would let a proof be reflected.
		return refuse("server key", "is the client key")
	}
	return nil
}

// checkOffsets refuses first what would overflow, then what does not tie up.
func (s *State) checkOffsets() *StateError {
	switch {
	case s.Sent < s.Acked:
		return refuse("sent", "%d is before acked %d", s.Sent, s.Acked)
	case s.Sent-s.Acked != uint64(len(s.Flight)):
		return refuse("flight", "%d bytes, offsets say %d", len(s.Flight), s.Sent-s.Acked)
	case s.Received < s.Consumed:
		return refuse("received", "%d is before consumed %d", s.Received, s.Consumed)
	case s.Received-s.Consumed != uint64(len(s.Input)):
		return refuse("input", "%d bytes, offsets say %d", len(s.Input), s.Received-s.Consumed)
	case s.Credit < s.Acked:
		return refuse("credit", "%d is before acked %d", s.Credit, s.Acked)
	case s.Granted < s.Received:
		return refuse("granted", "%d is before received %d", s.Granted, s.Received)
	}
	return nil
}

func (s *State) checkFlags() *StateError {
	switch {
	case s.FinAcked && !s.FinSent:
		return refuse("flags", "the end of sending is acknowledged but was not sent")
	case s.FinAcked && len(s.Flight) > 0:
		return refuse("flags", "the end of sending is acknowledged before what precedes it")
	case s.Closed && !s.ResetPending && !s.ResetReceived && !s.FinSent:
		return refuse("flags", "closed with its sending side open")
	}
	return nil
}

func (s *State) checkAddresses() *StateError {
	if len(s.Peers) > MaxPeers {
		return refuse("peers", "%d entries, at most %d allowed", len(s.Peers), MaxPeers)
	}
	for _, a := range s.Peers {
		if !a.IsValid() || a.Port() == 0 {
			return refuse("peers", "%v cannot be dialled", a)
		}
	}
	if len(s.Options) > MaxOptions {
		return refuse("options", "%d entries, at most %d allowed", len(s.Options), MaxOptions)
	}
	for k, v := range s.Options {
		if len(v) > MaxOptionSize {
			return refuse("options", "%d/%d has %d bytes, at most %d allowed", k.Level, k.Name, len(v), MaxOptionSize)
		}
	}
	return nil
}

// maxUnix is the last second whose time.Time a duration can be added to.
const maxUnix = 1 << 40

func (s *State) checkLimits() *StateError {
	switch sec := s.Suspended.Unix(); {
	case sec < 0 || sec > maxUnix:
		return refuse("suspended", "is %s", s.Suspended.UTC().Format(time.RFC3339))
	case s.Timeout <= 0:
		return refuse("timeout", "%v is not positive", s.Timeout)
	case s.FlightLimit <= 0 || s.FlightLimit > MaxStateSize/2:
		return refuse("flight limit", "is %d", s.FlightLimit)
	case s.ReceiveLimit <= 0 || s.ReceiveLimit > MaxStateSize/2:
		return refuse("receive limit", "is %d", s.ReceiveLimit)
	}
	return nil
}
