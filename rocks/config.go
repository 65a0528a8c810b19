package rocks

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Config configures an Endpoint. The zero value of each field but Network means its
// default.
type Config struct {
	// Network is how to reach the world. It has no default; see System.
	Network Network
	// Logger gets what happens to the rocks: never a key, never a byte of payload.
	// Default: nothing is logged.
	Logger *slog.Logger
	// Heartbeat is how long a link may be silent before it is asked for a sign of life.
	// Default 1 s.
	Heartbeat time.Duration
	// Misses is the number of heartbeats that may be missed in a row; a link that has been silent
	// for a quarter heartbeat less than that many is given up and its rock suspended. Default 3.
	Misses int
	// Timeout is how long a rock may be suspended before it closes. Default 72 h.
	Timeout time.Duration
	// MaxBackoff bounds the pause between attempts to reconnect. Default 2 s. After 10
	// minutes without success it grows to two and a half times as much.
	MaxBackoff time.Duration
	// FlightLimit bounds, per rock, the bytes that were written and not acknowledged yet.
	// Write blocks beyond it, or earlier while the network can not have more under way: see firstFlight. Default 64 MiB.
	FlightLimit int
	// ReceiveLimit bounds, per rock, the bytes that came from the peer and were not read
	// yet. It begins at 2 MiB and grows as needed. Default 64 MiB.
	ReceiveLimit int
	// HandshakeTimeout bounds each attempt to open a link. Default 10 s.
	HandshakeTimeout time.Duration
	// Rendezvous is where to leave word for peers that have lost this end, and to look for theirs. Default nil: nowhere.
	Rendezvous Rendezvous
	// Lookup returns the addresses of a host's name, for Dial and again while a rock that was dialled by name is without a
	// link. Default net.DefaultResolver.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Estate is where to keep what another process needs to go on with the rocks should this one die. Default nil: they end
	// with it.
	Estate Estate
	// ResumeAddr is where to listen for peers that want to resume. Default [::]:0, any free port.
	ResumeAddr netip.AddrPort
}

// Defaults of Config.
const (
	DefaultHeartbeat        = time.Second
	DefaultMisses           = 3
	DefaultTimeout          = 72 * time.Hour
	DefaultMaxBackoff       = 2 * time.Second
	DefaultFlightLimit      = 64 << 20
	DefaultReceiveLimit     = 64 << 20
	DefaultHandshakeTimeout = 10 * time.Second
)

// withDefaults returns c with its defaults filled in, or says what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Network == nil {
		return c, errors.New("rocks: Config.Network is not set")
	}
	if c.Heartbeat < 0 || c.Misses < 0 || c.Timeout < 0 || c.MaxBackoff < 0 ||
		c.FlightLimit < 0 || c.ReceiveLimit < 0 || c.HandshakeTimeout < 0 {
		return c, errors.New("rocks: negative value in Config")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.Heartbeat, DefaultHeartbeat)
	setDefault(&c.Misses, DefaultMisses)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.MaxBackoff, DefaultMaxBackoff)
	setDefault(&c.FlightLimit, DefaultFlightLimit)
	setDefault(&c.ReceiveLimit, DefaultReceiveLimit)
	setDefault(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	if c.Lookup == nil {
		c.Lookup = net.DefaultResolver.LookupNetIP
	}
	if !c.ResumeAddr.IsValid() {
		c.ResumeAddr = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	return c, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
