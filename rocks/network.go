package rocks

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Route is one way to reach an address.
type Route struct {
	Local  netip.Addr     // source address; invalid: the kernel chooses
	Remote netip.AddrPort // where to connect to
	MSS    int            // maximum segment size to announce in the SYN (TCP_MAXSEG); 0: leave alone
}

// Network is what an Endpoint needs of the world. System returns the real one;
// rocks/rockstest has one in memory. All methods may be called concurrently.
type Network interface {
	// Dial connects along r. The connection returned has a CloseWrite method, as
	// *net.TCPConn has. It blocks until connected, refused or ctx is done.
	Dial(ctx context.Context, r Route) (net.Conn, error)
	// Listen opens a TCP listener whose connections keep their SYN (TCP_SAVE_SYN).
	Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error)
	// SYNMSS returns the maximum segment size in the SYN of a connection that a
	// listener of Listen accepted; 0 if unknown.
	SYNMSS(c net.Conn) int
	// RTT returns the smoothed round-trip time of c; 0 if unknown.
	RTT(c net.Conn) time.Duration
	// Addrs returns the global unicast addresses of this host, best first, without
	// loopback and link-local ones.
	Addrs() ([]netip.Addr, error)
	// LocalUp reports whether a is on an interface that is up and running.
	LocalUp(a netip.Addr) bool
	// CanReach is false if this host can see that a packet to remote would go nowhere: there is
	// no route, or it leads over an interface that is not up and running.
	CanReach(remote netip.Addr) bool
	// Watch returns a channel that gets a value after each change of addresses, links or
	// routes (changes within some 10 ms may count as one). It is closed when ctx is done.
	Watch(ctx context.Context) (<-chan struct{}, error)
}
