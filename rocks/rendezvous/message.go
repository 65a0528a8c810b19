package rendezvous

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// magic begins what a server says first; then come the version and a nonce.
const magic = "\xf2rockdv\x00"

// Version is that of the protocol. There is one.
const Version = 1

const (
	nonceSize    = 32
	greetingSize = len(magic) + 1 + nonceSize
)

type nonce [nonceSize]byte

// kind is the type of a message.
type kind byte

// The kinds of messages, and below them what is in them. RENDEZVOUS.md has the tables.
const (
	kindLeave  kind = 1  // a record, proof (64)
	kindSeek   kind = 2  // name (32)
	kindJoin   kind = 3  // public key (32), the other's name (32), proof (64)
	kindLeft   kind = 16 // status (1)
	kindFound  kind = 17 // seconds left (4), record; or nothing
	kindJoined kind = 18 // status (1)
)

// maxBody bounds the body of a message.
const maxBody = 1024

// status says what has become of a request.
type status byte

const (
	statusDone    status = 0
	statusOld     status = 1 // there is a record with the same sequence, or a higher one
	statusRefused status = 2 // the proof is wrong, or the request makes no sense
	statusFull    status = 3 // no room, for the time being
	statusAlone   status = 4 // the other has not come
)

func (s status) String() string {
	switch s {
	case statusDone:
		return "done"
	case statusOld:
		return "there is newer word"
	case statusRefused:
		return "refused"
	case statusFull:
		return "the server is full"
	case statusAlone:
		return "the other has not come"
	}
	return fmt.Sprintf("status %d", byte(s))
}

// appendMessage appends kind (1), length of the body (2), body.
func appendMessage(b []byte, k kind, body []byte) []byte {
	b = append(b, byte(k))
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// readMessage reads one message. The body is good until the next call with the same buffer.
func readMessage(r io.Reader, buf *[maxBody]byte) (kind, []byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if n > maxBody {
		return 0, nil, fmt.Errorf("a message of %d bytes, at most %d are allowed", n, maxBody)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return 0, nil, noEOF(err)
	}
	return kind(head[0]), buf[:n], nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendGreeting(b []byte, n nonce) []byte {
	return append(append(append(b, magic...), Version), n[:]...)
}

func readGreeting(r io.Reader) (n nonce, err error) {
	var b [greetingSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return n, err
	}
	if string(b[:len(magic)]) != magic {
		return n, errors.New("that is no rendezvous: see ROCK_RENDEZVOUS")
	}
	if v := b[len(magic)]; v != Version {
		return n, fmt.Errorf("the rendezvous speaks version %d, this program %d", v, Version)
	}
	copy(n[:], b[len(magic)+1:])
	return n, nil
}

// leave is the body of kindLeave.
func (r *Record) leave(n nonce) []byte {
	b := r.encode()
	proof := r.identity.sign(labelLeave, n[:], b)
	return append(b, proof[:]...)
}

// decodeLeave checks all that can be checked.
func decodeLeave(b []byte, n nonce) (r Record, err error) {
	if len(b) < minRecord+ed25519.SignatureSize {
		return r, errRecord
	}
	at := len(b) - ed25519.SignatureSize
	if r, err = decodeRecord(b[:at]); err != nil {
		return r, err
	}
	if !verify(r.public, [ed25519.SignatureSize]byte(b[at:]), labelLeave, n[:], b[:at]) {
		return r, errors.New("a record from somebody else")
	}
	return r, nil
}

// join is the body of kindJoin.
func (i Identity) join(n nonce, other Name) []byte {
	public := i.public()
	proof := i.sign(labelJoin, n[:], other[:])
	return append(append(append([]byte(nil), public[:]...), other[:]...), proof[:]...)
}

func decodeJoin(b []byte, n nonce) (own, other Name, err error) {
	var public [ed25519.PublicKeySize]byte
	var proof [ed25519.SignatureSize]byte
	if len(b) != len(public)+len(other)+len(proof) {
		return own, other, errors.New("that is no request to join")
	}
	at := copy(public[:], b)
	at += copy(other[:], b[at:])
	copy(proof[:], b[at:])
	if !verify(public, proof, labelJoin, n[:], other[:]) {
		return own, other, errors.New("a request to join from somebody else")
	}
	return nameOf(public), other, nil
}
