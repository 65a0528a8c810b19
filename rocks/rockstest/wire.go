package rockstest

import "syscall"

// A Direction is one of the two of a connection.
type Direction int

// The directions of a connection.
const (
	ToServer Direction = iota // from the end that dialled
	ToClient
)

// String returns "to server" or "to client".
func (d Direction) String() string {
	if d == ToServer {
		return "to server"
	}
	return "to client"
}

// A Cut is a way for a connection to break.
type Cut int

// The ways for a connection to break.
const (
	Silence Cut = iota // nothing arrives any more, in both directions, for good
	Reset              // both ends get ECONNRESET
)

// String returns "silence" or "reset".
func (c Cut) String() string {
	if c == Silence {
		return "silence"
	}
	return "reset"
}

// A Wire is one connection, seen from between its ends.
type Wire struct {
	Index          int    // counts the connections of the Net, from 0
	MSS            int    // of the SYN, as it arrived
	Port           uint16 // that was dialled
	Client, Server *Host  // who dialled, who accepted

	net            *Net
	client, server *end
	nat            *NAT      // between the ends, or nil
	listener       *listener // where it arrived

	forgotten bool // by the NAT; fields from here on are guarded by net.mu
	forgetful bool // the NAT answers with a reset
	broken    bool
	open      bool // the handshake is over
}

// CutAfter breaks the connection as soon as after bytes have arrived in one
// direction. What was sent beyond is lost. 0 breaks it as soon as it is made.
func (w *Wire) CutAfter(d Direction, after int64, how Cut) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	s := w.streamLocked(d)
	s.cutAt, s.cut, s.hasCut = after, how, true
	s.advance()
}

// Bytes returns how many bytes have arrived in one direction.
func (w *Wire) Bytes(d Direction) int64 {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.streamLocked(d).passed
}

// Sent returns the bytes that have arrived in one direction, if Config.Capture
// is set.
func (w *Wire) Sent(d Direction) []byte {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return append([]byte(nil), w.streamLocked(d).captured...)
}

// Break breaks the connection now.
func (w *Wire) Break(how Cut) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	w.breakLocked(how)
}

// Alive reports whether the connection is established and neither end is closed or has failed.
func (w *Wire) Alive() bool {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.open && !w.broken && !w.client.closed && !w.server.closed && w.client.err == nil && w.server.err == nil
}

func (w *Wire) streamLocked(d Direction) *stream {
	if d == ToServer {
		return w.client.out
	}
	return w.server.out
}

func (w *Wire) breakLocked(how Cut) {
	w.broken = true
	if how == Reset {
		w.resetLocked()
		return
	}
	w.client.out.dead, w.server.out.dead = true, true
}

func (w *Wire) resetLocked() {
	w.client.failLocked(syscall.ECONNRESET)
	w.server.failLocked(syscall.ECONNRESET)
}
