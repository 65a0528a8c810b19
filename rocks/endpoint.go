package rocks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rock/rocks/wire"
)

// maxDials bounds the attempts to resume at once.
const maxDials = 512

// rockKey names an end of a rock. The role is part of it since both ends may live in one Endpoint.
type rockKey struct {
	id   wire.ID
	role wire.Role
}

// Endpoint owns a set of rocks: it makes them, listens for peers that resume them, and watches the
// network for them. Its methods may be called concurrently.
type Endpoint struct {
	cfg      Config
	log      *slog.Logger
	instance wire.Instance
	start    time.Time // zero of the times that links keep
	resume   net.Listener
	ctx      context.Context // done when the Endpoint closes
	cancel   context.CancelFunc
	work     sync.WaitGroup // everything that runs for the Endpoint
	doorway  doorway
	paths    paths
	lonely   chan struct{} // gets a value when a rock has lost its link, or the network has changed
	attempts chan struct{} // one per attempt to resume
	count    atomic.Int64  // of rocks

	mu        sync.Mutex // below Conn.mu
	rocks     map[rockKey]*Conn
	graves    graveyard
	forwards  map[rockKey]*forward // what has gone elsewhere
	listeners map[*Listener]struct{}
	own       wire.Addresses
	closed    bool
}

// NewEndpoint returns an Endpoint that listens for resumes on Config.ResumeAddr and follows changes of the
// network. Close it to free what it holds.
func NewEndpoint(cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		cfg: cfg, log: cfg.Logger, instance: wire.NewInstance(), start: time.Now(),
		attempts: make(chan struct{}, maxDials), lonely: make(chan struct{}, 1),
		rocks: make(map[rockKey]*Conn), forwards: make(map[rockKey]*forward), listeners: make(map[*Listener]struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.listenForResumes(); err != nil {
		e.cancel()
		return nil, err
	}
	changes, err := cfg.Network.Watch(e.ctx)
	if err != nil {
		e.resume.Close()
		e.cancel()
		return nil, fmt.Errorf("watch the network: %w", err)
	}
	e.refreshAddrs()
	e.work.Go(func() { e.watch(changes) })
	e.work.Go(func() { e.serve(e.resume, nil) })
	if cfg.Rendezvous != nil {
		e.work.Go(e.meet)
	}
	return e, nil
}

// listenForResumes opens the resume listener. A host may have no IPv6 at all.
func (e *Endpoint) listenForResumes() error {
	addr := e.cfg.ResumeAddr
	l, err := e.cfg.Network.Listen(e.ctx, addr)
	if err != nil && addr.Addr() == netip.IPv6Unspecified() {
		l, err = e.cfg.Network.Listen(e.ctx, netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
	}
	if err != nil {
		return fmt.Errorf("listen for resumes on %v: %w", addr, err)
	}
	e.resume = l
	return nil
}

// Announcement is what to answer a probe with. held says that a marked connection from the prober's
// address is being held back.
func (e *Endpoint) Announcement(held bool) wire.Announcement {
	return wire.Announcement{Versions: wire.Supported(), Capabilities: capabilities, Instance: e.instance, Held: held}
}

// ResumeAddr returns the address of the resume listener.
func (e *Endpoint) ResumeAddr() netip.AddrPort { return addrPort(e.resume.Addr()) }

// register makes c known under its key.
func (e *Endpoint) register(c *Conn) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrEndpointClosed
	}
	if e.rocks[c.key()] != nil {
		return fmt.Errorf("rock %v: %w", c.id, errExists)
	}
	e.rocks[c.key()] = c
	e.count.Store(int64(len(e.rocks)))
	return nil
}

var errExists = errors.New("its end is here already")

// forget takes a closed Conn out of the table, and buries it if its peer may ask for it.
func (e *Endpoint) forget(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rocks[c.key()] != c {
		return
	}
	delete(e.rocks, c.key())
	e.count.Store(int64(len(e.rocks)))
	if c.leavesGraveLocked() {
		e.graves.bury(c.key(), c.keys, time.Now())
	}
}

// find returns the rock with the given key, or its grave, or nothing.
func (e *Endpoint) find(key rockKey) (*Conn, *grave) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.rocks[key]; c != nil {
		return c, nil
	}
	return nil, e.graves.find(key, time.Now())
}

// conns returns all rocks.
func (e *Endpoint) conns() []*Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*Conn, 0, len(e.rocks))
	for _, c := range e.rocks {
		list = append(list, c)
	}
	return list
}

// Conns describes all rocks, oldest state first. Those that their program has closed are
// among them until everything is delivered.
func (e *Endpoint) Conns() []Info {
	var list []Info
	for _, c := range e.conns() {
		list = append(list, c.Info())
	}
	slices.SortFunc(list, func(a, b Info) int { return a.Since.Compare(b.Since) })
	return list
}

// hold counts something that Close waits for until release. It reports false when the Endpoint
// is closed.
func (e *Endpoint) hold() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.work.Add(1)
	return true
}

func (e *Endpoint) release() { e.work.Done() }

// Rocks returns all rocks, those that their program has closed among them.
func (e *Endpoint) Rocks() []*Conn { return e.conns() }
