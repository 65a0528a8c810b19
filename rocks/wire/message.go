package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A handshake message is
//
//	offset  size  field
//	0       8     Magic
//	8       1     version of this message's layout
//	9       1     type
//	10      2     length of the body, at most MaxBody
//	12      n     body
const (
	HeaderSize = MagicSize + 4 // bytes before the body
	MaxBody    = 1024          // bytes; the largest valid body is smaller
	MACSize    = 32            // bytes of an authenticator (HMAC-SHA256)
	NonceSize  = 32            // bytes of a nonce
	KeySize    = 32            // bytes of an X25519 public key
)

// Type is the kind of a handshake message.
type Type uint8

// Handshake message types. The numbers travel: never renumber.
const (
	TypeAnnouncement Type = 1
	TypeHello        Type = 2
	TypeWelcome      Type = 3
	TypeResume       Type = 4
	TypeChallenge    Type = 5
	TypeProof        Type = 6
	TypeCommit       Type = 7
	TypeRefuse       Type = 8
)

var typeNames = [...]string{
	TypeAnnouncement: "announcement", TypeHello: "hello", TypeWelcome: "welcome", TypeResume: "resume",
	TypeChallenge: "challenge", TypeProof: "proof", TypeCommit: "commit", TypeRefuse: "refuse",
}

// String returns the name of the type, or "message(n)".
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("message(%d)", uint8(t))
}

// Message is one handshake message: a pointer to [Announcement], [Hello], [Welcome],
// [Resume], [Challenge], [Proof], [Commit] or [Refuse].
type Message interface {
	Type() Type
	appendBody(b []byte) []byte
	parseBody(r *reader)
}

// newMessage returns an empty message of type t, nil if there is no such type.
func newMessage(t Type) Message {
	switch t {
	case TypeAnnouncement:
		return new(Announcement)
	case TypeHello:
		return new(Hello)
	case TypeWelcome:
		return new(Welcome)
	case TypeResume:
		return new(Resume)
	case TypeChallenge:
		return new(Challenge)
	case TypeProof:
		return new(Proof)
	case TypeCommit:
		return new(Commit)
	case TypeRefuse:
		return new(Refuse)
	}
	return nil
}

// AppendMessage appends the encoding of m, header included, to b.
func AppendMessage(b []byte, m Message) []byte {
	b = append(b, Magic...)
	b = append(b, MinVersion, byte(m.Type()), 0, 0) // the layout has not changed since
	at := len(b)
	b = m.appendBody(b)
	binary.BigEndian.PutUint16(b[at-2:], uint16(len(b)-at))
	return b
}

// ParseMessage decodes the message at the start of b and returns it with its size
// in bytes. It returns ErrShort if b ends too early, ErrMagic, a *VersionError or a
// *FormatError.
func ParseMessage(b []byte) (Message, int, error) {
	if !MayBeMagic(b) {
		return nil, 0, ErrMagic
	}
	if len(b) < HeaderSize {
		return nil, 0, ErrShort
	}
	t, n, err := parseHeader(b)
	if err != nil {
		return nil, 0, err
	}
	if len(b)-HeaderSize < n {
		return nil, 0, ErrShort
	}
	m, err := parseBody(t, b[HeaderSize:HeaderSize+n])
	return m, HeaderSize + n, err
}

// ReadMessage reads one message from r and not a byte more. It returns the message
// and its exact bytes, which authenticators are computed over. Its errors are those of
// ParseMessage (but ErrShort) and those of r.
func ReadMessage(r io.Reader) (Message, []byte, error) {
	b := make([]byte, HeaderSize, 512)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, nil, err
	}
	t, n, err := parseHeader(b)
	if err != nil {
		return nil, nil, err
	}
	b = append(b, make([]byte, n)...)
	if _, err := io.ReadFull(r, b[HeaderSize:]); err != nil {
		return nil, nil, err
	}
	m, err := parseBody(t, b[HeaderSize:])
	return m, b, err
}

// parseHeader checks a whole header and returns type and length of the body.
func parseHeader(b []byte) (Type, int, error) {
	if !HasMagic(b) {
		return 0, 0, ErrMagic
	}
	if v := b[MagicSize]; v < MinVersion || v > MaxVersion {
		return 0, 0, &VersionError{Got: v}
	}
	t, n := Type(b[MagicSize+1]), int(binary.BigEndian.Uint16(b[MagicSize+2:]))
	if newMessage(t) == nil {
		return 0, 0, malformed("handshake", "unknown type %d", uint8(t))
	}
	if n > MaxBody {
		return 0, 0, malformed(t.String(), "body of %d bytes, at most %d are allowed", n, MaxBody)
	}
	return t, n, nil
}

func parseBody(t Type, body []byte) (Message, error) {
	m := newMessage(t)
	r := reader{b: body}
	m.parseBody(&r)
	if r.bad {
		return nil, malformed(t.String(), "a field is missing or out of range in %d bytes", len(body))
	}
	if len(r.b) > 0 {
		return nil, malformed(t.String(), "%d bytes too many", len(r.b))
	}
	return m, nil
}
