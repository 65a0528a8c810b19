package detect

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Resolver looks a host name up. It must return when its context ends.
type Resolver func(ctx context.Context, host string) ([]netip.Addr, error)

// How the host names of rules are looked up.
const (
	NameLifetime  = time.Minute     // how long the addresses of a name are used
	LookupTimeout = 2 * time.Second // how long one look-up may take
	failedFor     = 10 * time.Second
)

// SystemResolver looks a host name up as this system is configured to.
func SystemResolver(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// names remembers the addresses of host names. A look-up that fails keeps the
// addresses of the one before: rocks matter most when the network is down.
type names struct {
	resolve Resolver // fixed

	mu sync.Mutex
	// guarded by mu
	byName map[string]*resolved
}

// resolved is what is known of one name. Its fields are guarded by names.mu.
type resolved struct {
	addrs   []netip.Addr
	known   bool // a look-up has ended
	expires time.Time
	busy    chan struct{} // closed when the look-up under way ends, nil if there is none
}

func newNames(resolve Resolver) *names {
	if resolve == nil {
		resolve = SystemResolver
	}
	return &names{resolve: resolve, byName: make(map[string]*resolved)}
}

// resolvesTo reports whether ip is among the addresses of a name. Who finds
// them too old looks them up, others meanwhile go by the old ones, and wait
// only if there are none.
func (n *names) resolvesTo(name string, ip netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.byName[name]
	if r == nil {
		r = new(resolved)
		n.byName[name] = r
	}
	switch {
	case r.busy == nil && !time.Now().Before(r.expires):
		n.refreshLocked(name, r)
	case !r.known:
		busy := r.busy
		n.mu.Unlock()
		<-busy
		n.mu.Lock()
	}
	return slices.Contains(r.addrs, ip)
}

// refreshLocked looks a name up with the lock released.
func (n *names) refreshLocked(name string, r *resolved) {
	r.busy = make(chan struct{})
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), LookupTimeout)
	addrs, err := n.resolve(ctx, name)
	cancel()
	n.mu.Lock()
	if err == nil {
		r.addrs = r.addrs[:0:0]
		for _, addr := range addrs {
			r.addrs = append(r.addrs, addr.Unmap().WithZone(""))
		}
		r.expires = time.Now().Add(NameLifetime)
	} else {
		r.expires = time.Now().Add(failedFor)
	}
	r.known = true
	close(r.busy)
	r.busy = nil
}
