package wire

import "encoding/binary"

// Resume asks to continue a rock on this connection; it is the first message of
// the end that dials. Nothing in it is proven until the Proof. Body:
//
//	0  16 id            16 1  role of the sender   17 4  epoch of the sender
//	21 8  incarnation   29 4  peer's epoch as the sender knows it
//	33 8  generation    41 32 nonce                73 n  addresses
type Resume struct {
	ID          ID
	Role        Role
	Epoch       uint32
	Incarnation Incarnation
	PeerEpoch   uint32
	Generation  uint64 // of the sender's newest link
	Nonce       [NonceSize]byte
	Addresses   Addresses
}

// Type returns TypeResume.
func (*Resume) Type() Type { return TypeResume }

func (m *Resume) appendBody(b []byte) []byte {
	b = append(b, m.ID[:]...)
	b = append(b, byte(m.Role))
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = append(b, m.Incarnation[:]...)
	b = binary.BigEndian.AppendUint32(b, m.PeerEpoch)
	b = binary.BigEndian.AppendUint64(b, m.Generation)
	b = append(b, m.Nonce[:]...)
	return AppendAddresses(b, m.Addresses)
}

func (m *Resume) parseBody(r *reader) {
	r.bytes(m.ID[:])
	m.Role = r.role()
	m.Epoch = r.u32()
	r.bytes(m.Incarnation[:])
	m.PeerEpoch = r.u32()
	m.Generation = r.u64()
	r.bytes(m.Nonce[:])
	m.Addresses = r.addresses()
	if m.ID.IsZero() || m.Epoch == 0 || m.PeerEpoch == 0 {
		r.bad = true
	}
}

// Challenge answers a Resume and proves the answering end. Body:
//
//	0  4  epoch         4  8  incarnation    12 4  peer's epoch as known
//	16 8  generation    24 8  received       32 8  limit
//	40 32 nonce         72 n  addresses      72+n 32 MAC by the sender
type Challenge struct {
	Epoch       uint32
	Incarnation Incarnation
	PeerEpoch   uint32
	Generation  uint64 // of the sender's newest link
	Received    uint64 // offset up to which the sender has everything
	Limit       uint64 // offset up to which it is ready to receive
	Nonce       [NonceSize]byte
	Addresses   Addresses
	MAC         [MACSize]byte
}

// Type returns TypeChallenge.
func (*Challenge) Type() Type { return TypeChallenge }

func (m *Challenge) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	b = append(b, m.Incarnation[:]...)
	b = binary.BigEndian.AppendUint32(b, m.PeerEpoch)
	b = binary.BigEndian.AppendUint64(b, m.Generation)
	b = binary.BigEndian.AppendUint64(b, m.Received)
	b = binary.BigEndian.AppendUint64(b, m.Limit)
	b = append(b, m.Nonce[:]...)
	b = AppendAddresses(b, m.Addresses)
	return append(b, m.MAC[:]...)
}

func (m *Challenge) parseBody(r *reader) {
	m.Epoch = r.u32()
	r.bytes(m.Incarnation[:])
	m.PeerEpoch = r.u32()
	m.Generation = r.u64()
	m.Received = r.u64()
	m.Limit = r.u64()
	r.bytes(m.Nonce[:])
	m.Addresses = r.addresses()
	r.bytes(m.MAC[:])
	if m.Epoch == 0 || m.PeerEpoch == 0 {
		r.bad = true
	}
}

// Proof answers a Challenge and proves the end that dialled. From the client it also
// commits the link. Body:
//
//	0 8 received   8 8 limit   16 8 generation   24 32 MAC by the sender
type Proof struct {
	Received   uint64
	Limit      uint64
	Generation uint64 // from the client: of this link; from the server: of its newest link
	MAC        [MACSize]byte
}

// Type returns TypeProof.
func (*Proof) Type() Type { return TypeProof }

func (m *Proof) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Received)
	b = binary.BigEndian.AppendUint64(b, m.Limit)
	b = binary.BigEndian.AppendUint64(b, m.Generation)
	return append(b, m.MAC[:]...)
}

func (m *Proof) parseBody(r *reader) {
	m.Received = r.u64()
	m.Limit = r.u64()
	m.Generation = r.u64()
	r.bytes(m.MAC[:])
}

// Commit is the client's last word in a handshake that does not end with its Proof: this
// connection is the link with this generation. Body:
//
//	0 8 generation   8 32 MAC by the client
type Commit struct {
	Generation uint64
	MAC        [MACSize]byte
}

// Type returns TypeCommit.
func (*Commit) Type() Type { return TypeCommit }

func (m *Commit) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Generation)
	return append(b, m.MAC[:]...)
}

func (m *Commit) parseBody(r *reader) {
	m.Generation = r.u64()
	r.bytes(m.MAC[:])
}
