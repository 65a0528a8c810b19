// Package auth makes sure that a rock is resumed only by its own two ends.
//
// At birth both ends make a [PrivateKey] (X25519), exchange the public halves in
// hello and welcome, and [Derive] the same [Keys] with HKDF-SHA256, salted with the hash of both
// messages. From then on each end proves itself by HMAC-SHA256 ([Keys.Sum], [Keys.Verify])
// over a [Transcript] of all that was said on the connection.
//
// There is one key per role and a label per kind of message, so a proof can not be reflected
// to its maker nor used in another place; fresh nonces of both ends are part of the
// transcript, so it can not be replayed.
//
// Not promised: at birth the ends do not know each other, so somebody who sits on the path at that
// moment can be in the middle for good. Payload is neither encrypted nor authenticated.
package auth
