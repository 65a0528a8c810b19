package wire

import (
	"errors"
	"fmt"
)

// ErrMagic is returned when a stream does not start with Magic: its other end is
// not a rock, or the stream is out of step.
var ErrMagic = errors.New("not a rock handshake: magic bytes missing")

// ErrShort is returned by the Parse functions when the bytes given are the
// beginning of something that may be valid, but not all of it.
var ErrShort = errors.New("message is not complete")

// A FormatError says that bytes received are not a valid message or frame. The
// stream that they came on can not be used any further.
type FormatError struct {
	What   string // what was being decoded, for example "ack frame"
	Detail string // what is wrong with it
}

func (e *FormatError) Error() string { return "malformed " + e.What + ": " + e.Detail }

// A VersionError says that a message has a protocol version that this
// package does not speak.
type VersionError struct {
	Got uint8
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("protocol version %d is not supported (versions %d to %d are)", e.Got, MinVersion, MaxVersion)
}

// malformed returns a *FormatError with a formatted detail.
func malformed(what, format string, args ...any) error {
	return &FormatError{What: what, Detail: fmt.Sprintf(format, args...)}
}
