package wire

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID names one rock, the same at both of its ends. It is 128 random bits chosen by
// the end that dials first. It is not a secret.
type ID [16]byte

// NewID returns a fresh random ID. It does not fail: see [rand.Read].
func NewID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// ParseID is the inverse of [ID.String]: 32 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("rock id %q: want %d hexadecimal digits", s, 2*len(id))
	}
	copy(id[:], b)
	return id, nil
}

// String returns the id as 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero value, which names no rock.
func (id ID) IsZero() bool { return id == ID{} }

// Role says which end of a rock one is. It is fixed at birth and never changes,
// whoever dials later.
type Role uint8

// The roles. The numbers travel: never renumber.
const (
	RoleClient Role = 1 // the end that dialled first; it alone commits links
	RoleServer Role = 2 // the end that accepted first
)

// String returns "client", "server" or "role(n)".
func (r Role) String() string {
	switch r {
	case RoleClient:
		return "client"
	case RoleServer:
		return "server"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// Peer returns the opposite role.
func (r Role) Peer() Role {
	if r == RoleClient {
		return RoleServer
	}
	return RoleClient
}

// Valid reports whether r is RoleClient or RoleServer.
func (r Role) Valid() bool { return r == RoleClient || r == RoleServer }

// Incarnation tells apart two copies of an end that claim the same epoch, such as
// two restores of one image. It is random and new for each Conn value.
type Incarnation [8]byte

// NewIncarnation returns a fresh random Incarnation.
func NewIncarnation() Incarnation {
	var i Incarnation
	rand.Read(i[:])
	return i
}

// Instance names one running supervisor (or Go program with an Endpoint).
type Instance [8]byte

// NewInstance returns a fresh random Instance.
func NewInstance() Instance {
	var i Instance
	rand.Read(i[:])
	return i
}

// String returns the instance as 16 hexadecimal digits.
func (i Instance) String() string { return hex.EncodeToString(i[:]) }
