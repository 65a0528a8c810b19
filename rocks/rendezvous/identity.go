package rendezvous

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
)

// Name is that of an end of a rock.
type Name [sha256.Size]byte

// String returns the first digits, which are enough for a log.
func (n Name) String() string { return hex.EncodeToString(n[:4]) }

// Identity is the right to leave word under a name.
type Identity struct{ private ed25519.PrivateKey }

// Labels of what is derived and signed. They are part of the protocol.
const (
	infoIdentity = "rock 1 rendezvous"
	labelRecord  = "rock 1 rendezvous record"
	labelLeave   = "rock 1 rendezvous leave"
	labelJoin    = "rock 1 rendezvous join"
)

// NewIdentity derives it from the key that proves an end of a rock to the other.
func NewIdentity(key [32]byte) Identity {
	seed, err := hkdf.Expand(sha256.New, key[:], infoIdentity, ed25519.SeedSize)
	if err != nil {
		panic(err) // only for more bytes than there are
	}
	return Identity{ed25519.NewKeyFromSeed(seed)}
}

func (i Identity) public() (p [ed25519.PublicKeySize]byte) {
	copy(p[:], i.private.Public().(ed25519.PublicKey))
	return p
}

// Name returns its name.
func (i Identity) Name() Name { return nameOf(i.public()) }

func nameOf(public [ed25519.PublicKeySize]byte) Name { return sha256.Sum256(public[:]) }

// sign signs parts under a label. The label has one length only, and so have all parts but the last.
func (i Identity) sign(label string, parts ...[]byte) (s [ed25519.SignatureSize]byte) {
	copy(s[:], ed25519.Sign(i.private, message(label, parts)))
	return s
}

func verify(public [ed25519.PublicKeySize]byte, s [ed25519.SignatureSize]byte, label string, parts ...[]byte) bool {
	return ed25519.Verify(public[:], message(label, parts), s[:])
}

func message(label string, parts [][]byte) []byte {
	m := append([]byte(label), 0)
	for _, p := range parts {
		m = append(m, p...)
	}
	return m
}
