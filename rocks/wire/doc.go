// Package wire is the byte layout of the rock protocol: the handshake
// messages that open a link and the frames that it carries afterwards.
//
// A handshake message is encoded with [AppendMessage] and read with
// [ReadMessage]; a frame with [AppendFrame] and [ParseFrame], or, where bulk data
// must not be copied, with [AppendDataHeader] and [ParseFrameHeader].
//
// The layout is strict: one meaning has one encoding, so that decoding and
// encoding again gives the same bytes. Every length is checked before anything is
// allocated for it. All numbers are big endian. PROTOCOL.md in the parent
// directory says what the messages are for and in which order they travel.
//
// The package does no I/O of its own except in ReadMessage, holds no state and
// needs no locks. It knows nothing of keys: a MAC is 32 opaque bytes to it.
package wire
