package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Side says whose proof it is.
type Side bool

// The sides.
const (
	ClientSide Side = false
	ServerSide Side = true
)

// A Label says what a proof is for. Labels are part of the protocol; none is a prefix
// of what another one means, since their length is authenticated too.
type Label string

// The labels.
const (
	LabelWelcome   Label = "welcome"
	LabelChallenge Label = "challenge"
	LabelProof     Label = "proof"
	LabelCommit    Label = "commit"
	LabelRefuse    Label = "refuse"
)

// Transcript is the hash of all handshake messages of a connection up to now, both
// directions in the order in which they were said. The zero value is the empty
// transcript. It is a value: Add returns a new one.
type Transcript struct {
	sum [sha256.Size]byte
}

// Add returns the transcript with the exact bytes of one more message.
func (t Transcript) Add(message []byte) Transcript {
	h := sha256.New()
	h.Write(t.sum[:])
	h.Write(message)
	var next Transcript
	h.Sum(next.sum[:0])
	return next
}

// Hash returns the transcript as salt for Derive.
func (t Transcript) Hash() [sha256.Size]byte { return t.sum }

// Sum returns the proof by side over the transcript so far and message, the new
// message without its MAC field.
func (k *Keys) Sum(side Side, label Label, t Transcript, message []byte) (mac [MACSize]byte) {
	key := &k.Client
	if side == ServerSide {
		key = &k.Server
	}
	h := hmac.New(sha256.New, key[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(label)))
	h.Write(n[:])
	h.Write([]byte(label))
	h.Write(t.sum[:])
	h.Write(message)
	h.Sum(mac[:0])
	return mac
}

// Verify reports whether mac is what Sum returns, in a time that does not depend on
// the bytes of mac.
func (k *Keys) Verify(side Side, label Label, t Transcript, message []byte, mac [MACSize]byte) bool {
	want := k.Sum(side, label, t, message)
	return hmac.Equal(want[:], mac[:])
}
