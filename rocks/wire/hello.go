package wire

import "encoding/binary"

// Hello asks for a new rock; it is the client's first message. Body:
//
//	0   16  id              16  1  lowest version   17  1  highest version
//	18  4   capabilities    22  8  instance         30  8  incarnation
//	38  32  public key      70  32 nonce            102 8  limit
//	110 n   addresses
//
// Addresses are: 2 port, 1 count, then for each 1 family (4 or 6) and 4 or 16 bytes.
type Hello struct {
	ID           ID
	Versions     Versions
	Capabilities uint32
	Instance     Instance
	Incarnation  Incarnation
	PublicKey    [KeySize]byte // X25519
	Nonce        [NonceSize]byte
	Limit        uint64 // offset up to which the client is ready to receive
	Addresses    Addresses
}

// Type returns TypeHello.
func (*Hello) Type() Type { return TypeHello }

func (m *Hello) appendBody(b []byte) []byte {
	b = append(b, m.ID[:]...)
	b = append(b, m.Versions.Min, m.Versions.Max)
	b = binary.BigEndian.AppendUint32(b, m.Capabilities)
	b = append(b, m.Instance[:]...)
	b = append(b, m.Incarnation[:]...)
	b = append(b, m.PublicKey[:]...)
	b = append(b, m.Nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Limit)
	return AppendAddresses(b, m.Addresses)
}

func (m *Hello) parseBody(r *reader) {
	r.bytes(m.ID[:])
	m.Versions = r.versions()
	m.Capabilities = r.u32()
	r.bytes(m.Instance[:])
	r.bytes(m.Incarnation[:])
	r.bytes(m.PublicKey[:])
	r.bytes(m.Nonce[:])
	m.Limit = r.u64()
	m.Addresses = r.addresses()
	if m.ID.IsZero() {
		r.bad = true
	}
}

// Welcome accepts a Hello. Body:
//
//	0   16  id             16  1  version chosen    17  4  capabilities
//	21  8   instance       29  8  incarnation       37  32 public key
//	69  32  nonce          101 8  limit             109 n  addresses
//	109+n 32 MAC by the server
type Welcome struct {
	ID           ID
	Version      uint8
	Capabilities uint32
	Instance     Instance
	Incarnation  Incarnation
	PublicKey    [KeySize]byte
	Nonce        [NonceSize]byte
	Limit        uint64 // offset up to which the server is ready to receive
	Addresses    Addresses
	MAC          [MACSize]byte
}

// Type returns TypeWelcome.
func (*Welcome) Type() Type { return TypeWelcome }

func (m *Welcome) appendBody(b []byte) []byte {
	b = append(b, m.ID[:]...)
	b = append(b, m.Version)
	b = binary.BigEndian.AppendUint32(b, m.Capabilities)
	b = append(b, m.Instance[:]...)
	b = append(b, m.Incarnation[:]...)
	b = append(b, m.PublicKey[:]...)
	b = append(b, m.Nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Limit)
	b = AppendAddresses(b, m.Addresses)
	return append(b, m.MAC[:]...)
}

func (m *Welcome) parseBody(r *reader) {
	r.bytes(m.ID[:])
	m.Version = r.u8()
	m.Capabilities = r.u32()
	r.bytes(m.Instance[:])
	r.bytes(m.Incarnation[:])
	r.bytes(m.PublicKey[:])
	r.bytes(m.Nonce[:])
	m.Limit = r.u64()
	m.Addresses = r.addresses()
	r.bytes(m.MAC[:])
	if m.ID.IsZero() || m.Version == 0 {
		r.bad = true
	}
}
