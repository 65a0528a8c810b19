package rocks

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"rock/rocks/wire"
)

// Errors that callers decide on. Test with errors.Is.
var (
	// ErrOrdinary is returned by Dial when the peer has no rocks.
	ErrOrdinary = errors.New("peer has no rocks")
	// ErrStaleEpoch: a newer incarnation of this end owns the rock. The program sees a reset.
	ErrStaleEpoch = errors.New("stale epoch: a newer copy of this end owns the rock")
	// ErrRolledBack: this end's State is older than what its peer has already consumed or
	// acknowledged, so the rock cannot go on. The program sees a reset.
	ErrRolledBack = errors.New("state is rolled back behind what the peer has consumed")
	// ErrUnknownRock: the peer knows no rock with this id. Anybody on the path can claim that.
	ErrUnknownRock = errors.New("peer does not know the rock")
	// ErrTimeLimit: the rock was suspended for longer than Config.Timeout. It Is syscall.ETIMEDOUT.
	ErrTimeLimit = fmt.Errorf("rock was suspended for longer than the time limit: %w", syscall.ETIMEDOUT)
	// ErrAuth: the other end of a connection did not prove to be the peer.
	ErrAuth = errors.New("proof of the peer's identity is wrong")
	// ErrBusy: too many handshakes are under way at the peer.
	ErrBusy = errors.New("peer is busy")
	// ErrExported: the rock was taken out of this Conn with Export.
	ErrExported = fmt.Errorf("rock was exported: %w", net.ErrClosed)
	// ErrEndpointClosed: the Endpoint was closed. It Is net.ErrClosed.
	ErrEndpointClosed = fmt.Errorf("endpoint was closed: %w", net.ErrClosed)
)

// A ResetError ends a rock before its time. It Is syscall.ECONNRESET, and errors.Is finds
// its cause.
type ResetError struct {
	Cause error // why; nil: the peer's program has reset the connection
}

func (e *ResetError) Error() string {
	if e.Cause == nil {
		return "connection reset by peer"
	}
	return "connection reset: " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *ResetError) Unwrap() error { return e.Cause }

// Is reports whether target is syscall.ECONNRESET.
func (e *ResetError) Is(target error) bool { return target == syscall.ECONNRESET }

// A RefusedError says that the peer refused a handshake.
type RefusedError struct {
	Reason   wire.Reason
	Versions wire.Versions // that the peer speaks
}

func (e *RefusedError) Error() string {
	if e.Reason == wire.ReasonVersion {
		return fmt.Sprintf("peer refused: no common protocol version (it speaks %d to %d, we %d to %d)",
			e.Versions.Min, e.Versions.Max, wire.MinVersion, wire.MaxVersion)
	}
	return "peer refused: " + e.Reason.String()
}

// Is matches ErrStaleEpoch, ErrRolledBack, ErrUnknownRock and ErrBusy with their reasons.
func (e *RefusedError) Is(target error) bool {
	switch target {
	case ErrStaleEpoch:
		return e.Reason == wire.ReasonStale
	case ErrRolledBack:
		return e.Reason == wire.ReasonRolledBack
	case ErrUnknownRock:
		return e.Reason == wire.ReasonUnknown
	case ErrBusy:
		return e.Reason == wire.ReasonBusy
	}
	return false
}

// opError wraps err as package net does. It returns nil for nil.
func (c *Conn) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
