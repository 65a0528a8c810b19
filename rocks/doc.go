// Package rocks gives a Go program TCP connections that survive: a rock goes on when its network
// fails, when either end gets another address, and after days of silence, without losing or
// repeating a byte.
//
// # Use
//
//	e, err := rocks.NewEndpoint(rocks.Config{Network: rocks.System()})
//	...
//	conn, err := e.Dial(ctx, "tcp", "server.example:4000")      // a net.Conn
//	ln, err := e.Listen(ctx, "tcp", ":4000")                    // a net.Listener
//	...
//	err = e.Flush(ctx)                                          // deliver what was written
//	err = e.Close()
//
// An [Endpoint] owns the rocks of a program, listens for peers that come back, and follows the network. A
// [Conn] is a net.Conn; what a program sees of a failure is that it lasts longer. [Conn.Export] turns a
// rock into a [State] and [Endpoint.Resume] goes on with it, in another process or on another host.
// [Endpoint.Forward] stays behind and tells peers where.
// What is missing here is detection for a program that does not know of rocks, see packages detect
// and interpose; their way in is [Endpoint.DialOn] and [Endpoint.Accept].
//
// # How it works
//
// A rock is two byte streams with 64-bit offsets. At any moment one TCP connection, the link, carries it,
// or none. What is written goes into the flight log and stays there until the peer has acknowledged
// it; on a new link both ends say what they have and the rest is sent again. PROTOCOL.md has the bytes.
//
//	             handshake            link lost
//	connecting ─────────► established ─────────► suspended
//	    │                   │     ▲                │   │
//	    │                   │     └────────────────┘   │
//	    │ refused           │           resumed        │
//	    ▼                   ▼                          ▼
//	  closed ◄──────────────┴──────────────────────────┘
//	          both ends closed, reset, refused for good,
//	          exported, or suspended for too long
//
// A link is lost when TCP says so, when nothing is heard for a bit less than Misses heartbeats, or when the
// local address or interface that it uses is gone. Then both ends look for each other, wherever they know
// the other to be, about every second, and at once when the local network changes.
//
// # What is not promised
//
// Payload is neither encrypted nor authenticated; programs that need that do it themselves, as over TCP. The
// ends prove to each other, whenever they meet again, that they are the two that met first. Urgent data is not
// carried. When a peer's process dies without a word, its rocks stay suspended until the time limit, for
// nobody can tell that from a network that is down.
//
// # Reading the source
//
// Conn (conn.go), Conn.moveLocked (phase.go), Endpoint.DialOn (birth.go), Conn.sayResume (resume.go) with
// Conn.answerResume (accept.go), Conn.search (redial.go), link.read and link.write.
package rocks
