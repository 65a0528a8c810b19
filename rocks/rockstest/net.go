package rockstest

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Config configures a Net. Zero values mean the defaults.
type Config struct {
	// Seed is where jitter and port numbers come from.
	Seed uint64
	// Latency is the time from one host to another, one way, for paths that
	// have none of their own. Default 0: what is sent is there.
	Latency time.Duration
	// SendBuffer and ReceiveBuffer are the sizes of every connection's
	// buffers at each end, in bytes. Default 64 KiB.
	SendBuffer, ReceiveBuffer int
	// OnConnect is called for every connection whose SYN meets a listener,
	// before the dialler knows. It may call methods of the Wire only.
	OnConnect func(*Wire)
	// Capture keeps all bytes of all connections for Wire.Sent.
	Capture bool
}

// Net is a network. Its methods, and those of all that belongs to it, may be
// called concurrently.
type Net struct {
	cfg Config

	handlers sync.WaitGroup // of Host.Serve

	mu     sync.Mutex // guards all state of the Net and all that belongs to it
	rng    *rand.Rand
	hosts  []*Host
	nats   []*NAT
	paths  map[pathKey]*Path
	wires  []*Wire
	closed bool
}

// New returns a network without hosts.
func New(cfg Config) *Net {
	if cfg.SendBuffer == 0 {
		cfg.SendBuffer = 64 << 10
	}
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = 64 << 10
	}
	return &Net{
		cfg:   cfg,
		rng:   rand.New(rand.NewPCG(cfg.Seed, 0x726f636b)),
		paths: make(map[pathKey]*Path),
	}
}

// Close closes all listeners, resets all connections at both ends and waits for
// the handlers of Host.Serve.
func (n *Net) Close() {
	n.mu.Lock()
	n.closed = true
	for _, h := range n.hosts {
		for _, l := range h.listeners {
			l.closeLocked()
		}
	}
	for _, w := range n.wires {
		w.resetLocked()
	}
	n.mu.Unlock()
	n.handlers.Wait()
}

// Wires returns all connections that were ever made, oldest first.
func (n *Net) Wires() []*Wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Wire(nil), n.wires...)
}

// ResetAll resets all connections at both ends, once.
func (n *Net) ResetAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.wires {
		w.resetLocked()
	}
}

// ownerLocked returns the host that has addr now, nil if none has.
func (n *Net) ownerLocked(addr netip.Addr) *Host {
	for _, h := range n.hosts {
		if h.ifaceLocked(addr) != nil {
			return h
		}
	}
	return nil
}
