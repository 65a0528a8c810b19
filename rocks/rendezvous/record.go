package rendezvous

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"time"

	"rock/rocks/wire"
)

// Record is what an end leaves: where it is.
type Record struct {
	public   [ed25519.PublicKeySize]byte
	Sequence uint64        // a record with a higher one replaces it
	Lifetime time.Duration // seconds, for which it is kept; of one that was found, what is left of that
	Where    wire.Addresses
	signed   time.Duration // Lifetime as it was signed
	sum      [ed25519.SignatureSize]byte
	identity *Identity // of who leaves it: for the proof of that; not in one that was found
}

// MaxLifetime bounds how long word is kept.
const MaxLifetime = time.Hour

// Record returns a signed record.
func (i Identity) Record(sequence uint64, lifetime time.Duration, where wire.Addresses) Record {
	r := Record{public: i.public(), Sequence: sequence, Lifetime: lifetime, signed: lifetime, Where: where, identity: &i}
	r.sum = i.sign(labelRecord, r.body())
	return r
}

// Name returns the name under which it is left.
func (r *Record) Name() Name { return nameOf(r.public) }

// body is what is signed: public key (32), sequence (8), lifetime in seconds (4), addresses.
func (r *Record) body() []byte {
	b := append([]byte(nil), r.public[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Sequence)
	b = binary.BigEndian.AppendUint32(b, uint32(r.signed/time.Second))
	return wire.AppendAddresses(b, r.Where)
}

// encode returns the record as it is sent and stored: the signature (64), then the body.
func (r *Record) encode() []byte { return append(append([]byte(nil), r.sum[:]...), r.body()...) }

var errRecord = errors.New("that is no record")

const minRecord = ed25519.SignatureSize + ed25519.PublicKeySize + 8 + 4

// decodeRecord is the inverse of encode. It checks the signature.
func decodeRecord(b []byte) (Record, error) {
	var r Record
	if len(b) < minRecord {
		return r, errRecord
	}
	n := copy(r.sum[:], b)
	n += copy(r.public[:], b[n:])
	r.Sequence = binary.BigEndian.Uint64(b[n:])
	r.Lifetime = time.Duration(binary.BigEndian.Uint32(b[n+8:])) * time.Second
	r.signed = r.Lifetime
	var err error
	if r.Where, err = wire.DecodeAddresses(b[n+12:]); err != nil {
		return r, err
	}
	if r.Lifetime <= 0 || r.Lifetime > MaxLifetime || r.Where.Port == 0 && len(r.Where.Addrs) > 0 {
		return r, errRecord
	}
	if !verify(r.public, r.sum, labelRecord, r.body()) {
		return r, errors.New("a record whose signature is wrong")
	}
	return r, nil
}
