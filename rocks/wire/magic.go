package wire

// Magic is how each handshake message starts. Its first byte is neither ASCII nor
// (with its second) UTF-8, so no text protocol starts with it; the line end and the zero
// byte fall victim to anything that treats the stream as text.
const Magic = "\xf2rock\r\n\x00"

// MagicSize is the length of Magic in bytes.
const MagicSize = len(Magic)

// HasMagic reports whether b starts with Magic.
func HasMagic(b []byte) bool {
	return len(b) >= MagicSize && string(b[:MagicSize]) == Magic
}

// MayBeMagic reports whether b, the first bytes of a stream and perhaps fewer than
// MagicSize, can still turn out to start with Magic. It is true for empty b.
func MayBeMagic(b []byte) bool {
	n := min(len(b), MagicSize)
	return string(b[:n]) == Magic[:n]
}
