package detect

import (
	"time"

	"rock/rocks/wire"
)

// Times of the server half.
const (
	// LongHold is, by default, how long a connection is held once a probe was
	// seen, and from the beginning if its mark is one that only rocks use. It is
	// longer if four round trips take longer.
	LongHold = 3 * time.Second

	holdSlack  = 150 * time.Millisecond
	unknownRTT = 100 * time.Millisecond // assumed where the kernel does not tell

	// announceGrace is how long an announcement waits for the marked connection
	// that its probe may have overtaken. The client waits longer.
	announceGrace = 25 * time.Millisecond
)

// Gate decides about one accepted connection. It does no I/O and is told the
// time; it is not safe for concurrent use. Listeners use it through Held, which
// keeps one for each connection.
//
//	           no mark
//	accepted ────────────────────────────────────────────► delivered
//	   │ weak mark
//	   ├───────► held ─┬─ magic ─────────────────────────► ours
//	   │           │   ├─ other bytes, time over ────────► delivered
//	   │           │   └─ reset, or EOF after a probe ───► dropped
//	   │           │ EOF, no probe yet
//	   │           └─► ended ─┬─ time over ──────────────► delivered
//	   │                      └─ reset, probe ───────────► dropped
//	   │ strong mark
//	   └───────► probing ─┬─ magic ──────────────────────► ours
//	               │      ├─ other bytes, time over ─────► delivered
//	               │      ├─ reset ──────────────────────► dropped
//	               │      └─ EOF, marked one held ───────► announced
//	               │ EOF, none held
//	               └─► answering ─┬─ time over ──────────► announced
//	                              └─ reset ──────────────► dropped
//
// A beginning of the magic is neither magic nor other bytes yet. It is given
// a long hold to be completed; then, or with an EOF, it is delivered.
//
// EOF without a byte on a weakly marked connection is a rock client's way to
// drop it only if that client has probed. Otherwise it is an ordinary client
// whose MSS looks marked by chance, which half-closes and waits for the server
// to speak: so that one is delivered.
type Gate struct {
	state    gateState
	accepted time.Time
	deadline time.Time
	rtt      time.Duration
	long     time.Duration // LongHold or what is configured in its place
	probed   bool          // while held, a probe came from the same IP address
	partial  bool          // what came so far is a beginning of the magic
}

// gateState is a state in the diagram of Gate.
type gateState uint8

const (
	gateHeld gateState = iota
	gateEnded
	gateProbing
	gateAnswering
	// The rest are terminal.
	gateDelivered
	gateOurs
	gateAnnounced
	gateDropped
)

// NewGate returns the gate of a connection accepted now, whose SYN had the given
// MSS in bytes (0 = unknown, so not marked) and whose round-trip time is rtt
// (0 = unknown). A long hold takes hold, 0 means LongHold. Decision has its
// first decision.
func NewGate(now time.Time, mss int, rtt, hold time.Duration) *Gate {
	if rtt <= 0 {
		rtt = unknownRTT
	}
	if hold <= 0 {
		hold = LongHold
	}
	g := &Gate{accepted: now, rtt: rtt, long: hold}
	switch {
	case mss == ProbeMSS:
		g.state, g.deadline = gateProbing, now.Add(g.longHold())
	case mss == SafeMSS:
		g.state, g.deadline = gateHeld, now.Add(g.longHold())
	case IsWeak(mss):
		g.state, g.deadline = gateHeld, now.Add(g.shortHold())
	default:
		g.state = gateDelivered
	}
	return g
}

// Decision returns the present decision. Once it is not Hold it never changes.
func (g *Gate) Decision() Decision {
	switch g.state {
	case gateDelivered:
		return Deliver
	case gateOurs:
		return Ours
	case gateAnnounced:
		return Announce
	case gateDropped:
		return Drop
	}
	return Hold
}

// Deadline returns when the Timer event is due. Any event may change it.
func (g *Gate) Deadline() time.Time { return g.deadline }

// Holds reports whether this is a marked connection that is being held.
func (g *Gate) Holds() bool { return g.state == gateHeld }

// Probe is a step with the event Probed. It reports whether the connection is
// now held for a whole long hold, so that there is time for a hello or resume.
func (g *Gate) Probe(now time.Time) bool {
	g.Step(now, Event{Kind: Probed})
	return g.Holds() && !g.deadline.Before(now.Add(g.longHold()))
}

// Step takes in an event and returns the decision. A Timer event that comes
// before the deadline changes nothing.
func (g *Gate) Step(now time.Time, e Event) Decision {
	if g.Decision() == Hold {
		g.state = g.next(now, e)
	}
	return g.Decision()
}

// next is the transition function: it returns the state that an event leads to
// and notes what the states do not tell.
func (g *Gate) next(now time.Time, e Event) gateState {
	marked := g.state == gateHeld
	probe := g.state == gateProbing
	switch e.Kind {
	case Bytes:
		return g.nextBytes(now, e.Bytes)
	case Reset:
		return gateDropped
	case Timer:
		if now.Before(g.deadline) {
			return g.state
		}
		if g.state == gateAnswering {
			return gateAnnounced
		}
		return gateDelivered
	case EOF:
		switch {
		case (marked || probe) && g.partial:
			return gateDelivered
		case marked && g.probed:
			return gateDropped
		case marked:
			return gateEnded
		case probe && e.Held:
			return gateAnnounced
		case probe:
			g.deadline = now.Add(announceGrace)
			return gateAnswering
		}
	case Probed:
		switch {
		case g.state == gateEnded:
			return gateDropped
		case marked && now.Before(g.accepted.Add(g.longHold())):
			// The bound keeps the probes of others behind the same NAT from
			// holding an ordinary connection for ever.
			g.extend(now)
			g.probed = true
		}
	}
	return g.state
}

// nextBytes is the part of next that looks at bytes.
func (g *Gate) nextBytes(now time.Time, b []byte) gateState {
	switch {
	case g.state != gateHeld && g.state != gateProbing || len(b) == 0:
		return g.state
	case wire.HasMagic(b):
		return gateOurs
	case !wire.MayBeMagic(b):
		return gateDelivered
	}
	if !g.partial {
		g.partial = true
		g.extend(now)
	}
	return g.state
}

// extend moves the deadline to a long hold from now.
func (g *Gate) extend(now time.Time) {
	if d := now.Add(g.longHold()); d.After(g.deadline) {
		g.deadline = d
	}
}

// shortHold is time enough for the client's probe to come.
func (g *Gate) shortHold() time.Duration { return 4*g.rtt + holdSlack }

func (g *Gate) longHold() time.Duration { return max(g.long, g.shortHold()) }
