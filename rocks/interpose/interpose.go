package interpose

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
	"rock/rocks/estate"
	"rock/rocks/interpose/seccomp"
)

// handshakeTime bounds what a peer may take for a part of a handshake.
const handshakeTime = 10 * time.Second

// Config is what an Interposer works with. Endpoint is required.
type Config struct {
	Endpoint *rocks.Endpoint // owns the rocks; closed by the caller
	Network  rocks.Network   // nil: rocks.System()
	Cache    *detect.Cache   // verdicts on peers; nil: a new one
	Rules    *detect.Rules   // nil: none
	Hold     time.Duration   // how long to hold a probing client's connection; 0: detect's default
	Logger   *slog.Logger    // nil: no log
	Estate   *estate.Estate  // for an heir, should this process die; nil: none
	Freebind bool            // a state's listeners may be at addresses that this host does not have, where nobody reaches them yet
}

// Interposer answers the trapped calls of a group's processes and owns their
// legs and listeners.
type Interposer struct {
	endpoint *rocks.Endpoint
	network  rocks.Network
	cache    *detect.Cache
	rules    *detect.Rules
	hold     time.Duration
	log      *slog.Logger
	freebind bool
	estate   *estate.Estate
	calls    *seccomp.Listener
	progress *seccomp.Progress // nil if there is none
	home     legHome
	sweeps   *rhythm       // of sweep
	most     atomic.Uint64 // descriptors that this process may have; 0: as the kernel says
	diag     bool          // the kernel answers questions about sockets
	netns    uint64        // SO_NETNS_COOKIE of the supervisor's network
	sockets  *sockets
	waiting  *waiting
	carried  legs
	dialling dialling
	marked   marked
	gate     gate         // shut while the group is suspended
	answers  sync.RWMutex // read-held while a call is being answered
	outsider atomic.Int64 // whose calls are not ours to answer, see Recreate
	restorer int          // who restores the group, 0 if it was started

	ctx       context.Context // ends when the interposer is closed
	cancel    context.CancelFunc
	dialing   context.Context // ends when nobody is left to connect for
	stopDials context.CancelFunc
	done      chan struct{}  // no process of the group is left
	work      sync.WaitGroup // what ends with ctx
	dials     sync.WaitGroup // what may still start legs
	legs      sync.WaitGroup
}

// Start launches a command under the filter and serves it and its descendants
// until the last of them has ended. The caller reaps the process.
func Start(cfg Config, p seccomp.Process) (*Interposer, *os.Process, error) {
	ip := newInterposer(cfg)
	ns, err := ownNetns()
	if err != nil {
		return nil, nil, err
	}
	ip.netns, ip.diag = ns, diagWorks()
	process, calls, err := seccomp.Start(p)
	if err != nil {
		return nil, nil, err
	}
	ip.startServing(calls)
	return ip, process, nil
}

// startServing serves the calls, and leaves a trace for who takes over should we die.
func (ip *Interposer) startServing(calls *seccomp.Listener) {
	var err error
	if ip.progress, err = seccomp.NewProgress(); err != nil {
		ip.log.Warn("nobody can answer in our place should we die", "error", err)
	} else {
		calls.Note(ip.progress)
	}
	ip.serve(calls)
}

func newInterposer(cfg Config) *Interposer {
	ip := &Interposer{
		endpoint: cfg.Endpoint, network: cfg.Network, cache: cfg.Cache, rules: cfg.Rules, hold: cfg.Hold, log: cfg.Logger, freebind: cfg.Freebind,
		estate:  cfg.Estate,
		home:    legHome{v4: randomLoopback()},
		sockets: newSockets(),
		sweeps:  newRhythm(sweepOften, sweepSeldom),
		done:    make(chan struct{}),
	}
	if ip.network == nil {
		ip.network = rocks.System()
	}
	if ip.cache == nil {
		ip.cache = detect.NewCache(detect.CacheOptions{})
	}
	if ip.log == nil {
		ip.log = slog.New(slog.DiscardHandler)
	}
	ip.ctx, ip.cancel = context.WithCancel(context.Background())
	ip.dialing, ip.stopDials = context.WithCancel(ip.ctx)
	return ip
}

// randomLoopback picks the group's own address, away from the low ones that
// people configure by hand.
func randomLoopback() netip.Addr {
	n := rand.N(uint32(1<<22)) + 1<<23 // 127.128.0.0/10
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}

// ownNetns returns the cookie of the network namespace that we are in.
func ownNetns() (uint64, error) {
	fd, err := streamSocket(unix.AF_INET, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	ns, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("identify the network namespace (SO_NETNS_COOKIE, Linux 5.14): %w", err)
	}
	return ns, nil
}

// carry starts the leg between the program's socket and what carries it, with what it begins with.
func (ip *Interposer) carry(inner *net.TCPConn, outer carrier, s *socket, with cargo) {
	ip.start(ip.newLeg(inner, outer, s, with))
}

func (ip *Interposer) newLeg(inner *net.TCPConn, outer carrier, s *socket, with cargo) *leg {
	l := &leg{
		inner: inner, outer: outer, sock: s, cargo: with, log: ip.log, stop: ip.done,
		parked: make(chan struct{}), unparked: make(chan bool), over: make(chan struct{}),
	}
	l.keep = func() { ip.keep(l) }
	l.onEnded = func() {
		l.unkeep()
		ip.sockets.forget(s)
		ip.carried.remove(l)
	}
	return l
}

func (ip *Interposer) start(l *leg) {
	ip.carried.add(l)
	ip.legs.Go(l.run)
}

// Carries reports whether a socket of a process of the group is on a leg, or on its way to one, or stands for
// a public listener: what Suspend describes. The process need not be stopped.
func (ip *Interposer) Carries(at Place) bool {
	known := false
	_ = ip.onSocket(at, func(_ int, ck uint64) {
		known = ip.sockets.get(ck) != nil || ip.sockets.listener(ck) != nil
	})
	return known
}

// Home returns the group's own loopback address, where legs and private listeners are.
func (ip *Interposer) Home() netip.Addr { return ip.home.v4 }

// Done is closed when no process of the group is left.
func (ip *Interposer) Done() <-chan struct{} { return ip.done }

// ListenerFile returns a duplicate of the notification descriptor, for a
// process that answers in our place should we die. The caller closes it.
func (ip *Interposer) ListenerFile() (*os.File, error) { return ip.calls.File() }

// ProgressFile returns the file of the seccomp.Progress by which that process
// finds the calls that we have left unanswered; nil if there is none. It stays
// the Interposer's.
func (ip *Interposer) ProgressFile() *os.File {
	if ip.progress == nil {
		return nil
	}
	return ip.progress.File()
}

// Close ends the interposer, after Done or to abandon the group. It waits until
// what the programs have sent is delivered, or ctx ends, and then for all of its
// goroutines. The rocks' endpoint stays open.
func (ip *Interposer) Close(ctx context.Context) error {
	for _, l := range ip.sockets.allListeners() {
		l.shut()
	}
	ip.stopDials()
	ip.dials.Wait()
	err := waitFor(ctx, &ip.legs)
	if err == nil {
		err = ip.endpoint.Flush(ctx)
	}
	ip.cancel()
	if closeErr := ip.calls.Close(); err == nil {
		err = closeErr
	}
	ip.work.Wait()
	if ip.progress != nil {
		_ = ip.progress.Close()
	}
	if err != nil {
		return fmt.Errorf("close interposer: %w", err)
	}
	return nil
}

func waitFor(ctx context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for connections to be delivered: %w", ctx.Err())
	}
}
