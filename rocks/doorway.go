package rocks

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"rock/rocks/rendezvous"
)

const (
	// maxHandshakes bounds the connections at once that have not proven anything yet.
	maxHandshakes = 256
	// longStay is more than a handshake takes whose peer wants to get on with it.
	longStay = 2 * time.Second
)

// doorway has the connections that others have made and that have not proven anything yet. When it is full, one that has
// stayed long makes room for the next, or else one of whoever has most of them: nobody can fill it for others.
type doorway struct {
	mu     sync.Mutex
	inside []*visitor // oldest first
}

type visitor struct {
	nc    net.Conn
	from  netip.Prefix
	since time.Time
}

// enter lets a connection in, unless there is no room.
func (d *doorway) enter(nc net.Conn) (*visitor, bool) {
	v := &visitor{nc: nc, from: rendezvous.Host(nc), since: time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inside) >= maxHandshakes && !d.makeRoom(v) {
		return nil, false
	}
	d.inside = append(d.inside, v)
	return v, true
}

// makeRoom closes a connection for the next one.
func (d *doorway) makeRoom(next *visitor) bool {
	i := 0
	if next.since.Sub(d.inside[0].since) < longStay {
		if i = d.oldestOfMost(next.from); i < 0 {
			return false
		}
	}
	_ = d.inside[i].nc.Close()
	d.inside = slices.Delete(d.inside, i, i+1)
	return true
}

// oldestOfMost returns the index of the oldest connection of whoever has most, -1 if the next one would then
// be of somebody who has as many.
func (d *doorway) oldestOfMost(next netip.Prefix) int {
	count := map[netip.Prefix]int{}
	var most netip.Prefix
	for _, v := range d.inside {
		if count[v.from]++; count[v.from] > count[most] {
			most = v.from
		}
	}
	if count[most] <= count[next]+1 {
		return -1
	}
	return slices.IndexFunc(d.inside, func(v *visitor) bool { return v.from == most })
}

// leave is for a connection that has proven what it had to, or is closed.
func (d *doorway) leave(v *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.inside, v); i >= 0 {
		d.inside = slices.Delete(d.inside, i, i+1)
	}
}
