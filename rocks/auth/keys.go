package auth

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
)

// Sizes in bytes.
const (
	KeySize       = 32 // of one key
	PublicKeySize = 32 // of an X25519 public key
	NonceSize     = 32 // of a nonce
	MACSize       = 32 // of what Sum returns
)

// Nonce returns fresh random bytes.
func Nonce() (n [NonceSize]byte) {
	rand.Read(n[:])
	return n
}

// A PrivateKey serves one handshake and is then forgotten.
type PrivateKey struct {
	key *ecdh.PrivateKey
}

// NewPrivateKey makes a key from fresh randomness.
func NewPrivateKey() (PrivateKey, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("make handshake key: %w", err)
	}
	return PrivateKey{key: k}, nil
}

// Public returns the half that travels.
func (k PrivateKey) Public() (p [PublicKeySize]byte) {
	copy(p[:], k.key.PublicKey().Bytes())
	return p
}

// Keys are the secrets of one rock, the same at both ends. They print as a placeholder.
type Keys struct {
	Client [KeySize]byte // proves the client
	Server [KeySize]byte // proves the server
}

// The info strings of HKDF. They are part of the protocol.
const (
	infoClient = "rock 1 client proof"
	infoServer = "rock 1 server proof"
)

// Derive computes the keys from one's own private key, the peer's public key, and salt,
// which must depend on all of the handshake so far (see Transcript). It fails if the peer's
// key is one of the few that would make the secret predictable.
func Derive(own PrivateKey, peer [PublicKeySize]byte, salt [sha256.Size]byte) (Keys, error) {
	pub, err := ecdh.X25519().NewPublicKey(peer[:])
	if err != nil {
		return Keys{}, fmt.Errorf("peer's public key: %w", err)
	}
	secret, err := own.key.ECDH(pub)
	if err != nil {
		return Keys{}, fmt.Errorf("peer's public key: %w", err)
	}
	prk, err := hkdf.Extract(sha256.New, secret, salt[:])
	if err != nil {
		return Keys{}, fmt.Errorf("derive keys: %w", err)
	}
	var k Keys
	for info, dst := range map[string]*[KeySize]byte{infoClient: &k.Client, infoServer: &k.Server} {
		b, err := hkdf.Expand(sha256.New, prk, info, KeySize)
		if err != nil {
			return Keys{}, fmt.Errorf("derive keys: %w", err)
		}
		copy(dst[:], b)
	}
	return k, nil
}

// Format writes a placeholder for every verb, never a key.
func (Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(keys)")) }

// LogValue returns a placeholder, never a key.
func (Keys) LogValue() slog.Value { return slog.StringValue("(keys)") }
