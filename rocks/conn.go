package rocks

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"rock/rocks/auth"
	"rock/rocks/flight"
	"rock/rocks/wire"
)

// Conn is one end of a rock: a net.Conn that survives the loss of the TCP connection
// beneath it. While it is suspended, Read blocks when everything that came is read and Write
// when the flight log is full, as on a network that is silent; deadlines work as always.
//
// All methods may be called concurrently. Every error is a *net.OpError around one of:
// net.ErrClosed (closed or exported here), os.ErrDeadlineExceeded, syscall.EPIPE (writing
// after CloseWrite), ErrTimeLimit, or a *ResetError, which Is syscall.ECONNRESET.
type Conn struct {
	// Fixed once the Conn is handed out.
	e             *Endpoint
	id            wire.ID
	role          wire.Role
	incarnation   wire.Incarnation
	keys          auth.Keys
	local, remote netip.AddrPort // as the program sees them
	dialed        netip.AddrPort // the server's address that the rock was first connected to
	options       map[SocketOption][]byte
	timeout       time.Duration
	logger        *slog.Logger
	born          chan struct{} // closed when connecting ends
	gone          chan struct{} // closed when the phase is closed
	delivered     chan struct{} // closed when the peer has all that the program wrote, or never will

	// mu guards what follows. It is never held across I/O. Lock order: Conn.mu, Endpoint.mu.
	mu       sync.Mutex
	readers  *sync.Cond // wait for input, its end, or the deadline
	writers  *sync.Cond // wait for room in the flight log, or the deadline
	readDue  deadline
	writeDue deadline

	phase       phase
	since       time.Time // of the last change of phase
	suspendedAt time.Time // the time limit counts from here
	limit       *time.Timer
	lastErr     error // what suspended it, or why the last attempt to resume failed
	redial      redialer
	flaps       int // links in a row that were lost soon and of no use

	version         uint8  // of the protocol, agreed on at birth
	capabilities    uint32 // of both ends
	epoch           uint32
	peerEpoch       uint32
	peerIncarnation wire.Incarnation // zero: not known yet
	generation      uint64           // of the newest link
	confirmed       bool             // the peer has said something on a link
	link            *link            // not nil exactly if established
	ended           chan struct{}    // closed when the link before this one is out of the way
	observed        netip.Addr       // where the peer's last link came from or went to
	network, name   string           // by which it was dialled; "" for an address
	peers           []netip.AddrPort // where the peer says it can be dialled
	hints           []netip.AddrPort // where it may be since the last link, newest first
	hops            int              // how often it was followed at once since then
	peerPort        uint16           // its resume port; 0: unknown

	// Sending. The FIN counts as one byte in what is acknowledged.
	log      *flight.Ring
	writing  bool   // a Write or ReadFrom has its turn
	credit   uint64 // the peer allows to send up to here
	sentMax  uint64 // sent up to here at some time
	finSent  bool   // no byte will follow
	finAcked bool

	// Receiving.
	in          *flight.Ring
	reading     bool   // somebody passes input on: a WriteTo, or the link for it
	waiting     sink   // of a WriteTo that waits for input; nil for none, or if it must be woken
	passed      int64  // bytes that the link has passed on for it
	granted     uint64 // the peer was allowed to send up to here
	window      window
	finReceived bool
	readClosed  bool

	// Ending.
	done     bool           // the program has closed (or exported) the Conn
	doneErr  error          // what it gets from then on
	err      error          // what the rock ended with; nil if orderly
	reset    wire.ResetCode // to be told to the peer; ResetDone: none
	wasReset bool           // by the peer
	orphan   error          // why another copy of this end may own the rock now; nil: none does

	sealed   bool // it must not get a link; see Seal
	mourning bool // see mournLocked

	record    Record // nil: the rock ends with this process
	published bool
}

var _ net.Conn = (*Conn)(nil)

// newConn returns a Conn in phase connecting that nobody knows yet.
func newConn(e *Endpoint, id wire.ID, role wire.Role) *Conn {
	c := &Conn{
		e: e, id: id, role: role, incarnation: wire.NewIncarnation(),
		timeout: e.cfg.Timeout, logger: e.log.With("rock", id, "role", role),
		born: make(chan struct{}), gone: make(chan struct{}), delivered: make(chan struct{}),
		since: time.Now(), epoch: 1, peerEpoch: 1,
	}
	c.openRecord()
	c.log = c.newRing(0, min(firstFlight, e.cfg.FlightLimit), wordFlight)
	c.in = c.newRing(0, e.firstReceive(), wordInput)
	c.readers, c.writers = sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.redial.retry = make(chan struct{}, 1)
	c.ended = make(chan struct{})
	close(c.ended)
	return c
}

// key is how the Endpoint knows the Conn.
func (c *Conn) key() rockKey { return rockKey{c.id, c.role} }

// ID returns the id of the rock, the same at both ends.
func (c *Conn) ID() wire.ID { return c.id }

// Role returns which end of the rock this is.
func (c *Conn) Role() wire.Role { return c.role }

// LocalAddr returns the local address that the rock was born with.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the remote address that the rock was born with.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// wakeLocked lets everybody who waits look again.
func (c *Conn) wakeLocked() {
	c.readers.Broadcast()
	c.writers.Broadcast()
}

// kickLocked tells the writer of the link, if there is one, that there may be something to send.
func (c *Conn) kickLocked() {
	if c.link != nil {
		c.link.kick()
	}
}

// receivedLocked returns the offset up to which everything came, FIN included.
func (c *Conn) receivedLocked() uint64 { return c.in.End() + one(c.finReceived) }

func one(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// deliveredLocked tells Flush if the peer has everything or never will.
func (c *Conn) deliveredLocked() {
	select {
	case <-c.delivered:
	default:
		if c.phase == closed || c.finAcked && c.log.Len() == 0 && c.reset == wire.ResetDone {
			close(c.delivered)
		}
	}
}

// addrPort returns the address and port of a, IPv4 in its short form; zero if it has none.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		if a == nil {
			return netip.AddrPort{}
		}
		ap, _ := netip.ParseAddrPort(a.String())
		return ap
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
