package detect

import (
	"net/netip"
	"sync"
	"time"
)

// DefaultHeldLimit is how many connections a Held holds at once by default.
const DefaultHeldLimit = 1024

// HeldOptions bounds a Held. A zero or negative field means its default.
type HeldOptions struct {
	Limit int           // most connections held at once, default DefaultHeldLimit
	Hold  time.Duration // length of a long hold, default LongHold
}

// Held is the registry of the connections that one public listener holds back
// at present, by source IP address. It joins the gates of marked connections
// with those of probes: a probe extends the holds of all that came from its
// address, and its announcement tells whether there are any. All methods, and
// those of Entry, are safe for concurrent use, and none blocks.
type Held struct {
	options HeldOptions // fixed

	mu sync.Mutex
	// guarded by mu
	byIP  map[netip.Addr]map[*Entry]struct{}
	count int
}

// Entry is one accepted connection in a Held. The listener reports to it what
// happens on the connection and acts on the decision that it gets back. Once
// that is not Hold the entry has left the registry.
//
// The owner needs a timer: at Deadline it calls Timer. It reads Deadline again
// after every Hold, since any call may have moved it. A probe moves it behind
// the owner's back, but only to a later time, and Timer is harmless before it.
type Entry struct {
	held *Held      // fixed
	ip   netip.Addr // fixed

	// guarded by held.mu
	gate    *Gate
	witness bool
}

// NewHeld returns an empty registry with the given bounds.
func NewHeld(o HeldOptions) *Held {
	if o.Limit <= 0 {
		o.Limit = DefaultHeldLimit
	}
	if o.Hold <= 0 {
		o.Hold = LongHold
	}
	return &Held{options: o, byIP: make(map[netip.Addr]map[*Entry]struct{})}
}

// Admit takes in a connection accepted from remote, whose SYN had the given MSS
// in bytes (0 = unknown) and whose round-trip time is rtt (0 = unknown). The
// decision is Hold with an entry, or Deliver without one: the connection is not
// marked, or too many are held already.
func (h *Held) Admit(remote netip.Addr, mss int, rtt time.Duration) (*Entry, Decision) {
	now := time.Now()
	gate := NewGate(now, mss, rtt, h.options.Hold)
	if d := gate.Decision(); d != Hold {
		return nil, d
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count >= h.options.Limit {
		return nil, Deliver
	}
	e := &Entry{held: h, ip: remote.Unmap(), gate: gate}
	h.addLocked(e)
	if mss == ProbeMSS {
		h.probeLocked(now, e.ip)
	} else if h.probingLocked(e.ip) {
		gate.Probe(now) // its probe has overtaken it
	}
	return e, Hold
}

// Any reports whether a weakly marked connection from an IP address is held now.
func (h *Held) Any(remote netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := range h.byIP[remote.Unmap()] {
		if e.gate.Holds() {
			return true
		}
	}
	return false
}

// Len returns how many connections, marked ones and probes, are held now.
func (h *Held) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Bytes reports bytes on the connection: all that came since its beginning, or
// the first wire.MagicSize of them.
func (e *Entry) Bytes(b []byte) Decision { return e.step(Event{Kind: Bytes, Bytes: b}) }

// EOF reports that the client has half-closed, after the bytes reported.
func (e *Entry) EOF() Decision { return e.step(Event{Kind: EOF}) }

// Reset reports that the connection was reset or has failed.
func (e *Entry) Reset() Decision { return e.step(Event{Kind: Reset}) }

// Timer reports that Deadline may have come.
func (e *Entry) Timer() Decision { return e.step(Event{Kind: Timer}) }

// Deadline returns when Timer is due.
func (e *Entry) Deadline() time.Time {
	e.held.mu.Lock()
	defer e.held.mu.Unlock()
	return e.gate.Deadline()
}

// Held returns, after the decision to announce, the held flag to announce.
func (e *Entry) Held() bool {
	e.held.mu.Lock()
	defer e.held.mu.Unlock()
	return e.witness
}

// Release takes the entry out of the registry, whatever its decision: the
// listener is being closed, or has failed.
func (e *Entry) Release() {
	e.held.mu.Lock()
	defer e.held.mu.Unlock()
	e.held.removeLocked(e)
}

func (e *Entry) step(event Event) Decision {
	h := e.held
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if event.Kind == EOF && e.gate.state == gateProbing {
		event.Held = h.probeLocked(now, e.ip)
	}
	d := e.gate.Step(now, event)
	if d == Announce && !e.witness {
		e.witness = h.probeLocked(now, e.ip)
	}
	if d != Hold {
		h.removeLocked(e)
	}
	return d
}

// probeLocked tells all that is held from an IP address of a probe, and reports
// whether any of it is now sure to be held for as long as a hello may take.
func (h *Held) probeLocked(now time.Time, ip netip.Addr) bool {
	sure := false
	for e := range h.byIP[ip] {
		if e.gate.Probe(now) {
			sure = true
		}
	}
	return sure
}

// probingLocked reports whether a probe from an IP address has not been
// answered yet.
func (h *Held) probingLocked(ip netip.Addr) bool {
	for e := range h.byIP[ip] {
		if e.gate.state == gateProbing || e.gate.state == gateAnswering {
			return true
		}
	}
	return false
}

func (h *Held) addLocked(e *Entry) {
	if h.byIP[e.ip] == nil {
		h.byIP[e.ip] = make(map[*Entry]struct{})
	}
	h.byIP[e.ip][e] = struct{}{}
	h.count++
}

func (h *Held) removeLocked(e *Entry) {
	entries := h.byIP[e.ip]
	if _, ok := entries[e]; !ok {
		return
	}
	delete(entries, e)
	h.count--
	if len(entries) == 0 {
		delete(h.byIP, e.ip)
	}
}
