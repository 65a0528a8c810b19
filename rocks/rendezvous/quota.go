package rendezvous

import (
	"net/netip"
	"sync"
	"time"
)

// quota bounds the names under which one host leaves word, so that none takes the room of others. It counts anew every hour, which is as
// long as word is kept at most.
type quota struct {
	most int

	mu    sync.Mutex
	began time.Time
	hosts map[netip.Prefix]map[Name]struct{}
	total int // names in them
}

// mostCounted bounds what is counted, some 50 MB. Who has so many networks of his own is not stopped by this anyway.
const mostCounted = 500_000

// allow says whether a host may leave word under a name.
func (q *quota) allow(host netip.Prefix, name Name, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.began) >= MaxLifetime || q.total >= mostCounted {
		q.began, q.hosts, q.total = now, map[netip.Prefix]map[Name]struct{}{}, 0
	}
	names := q.hosts[host]
	if _, known := names[name]; known {
		return true
	}
	if len(names) >= q.most {
		return false
	}
	if names == nil {
		names = map[Name]struct{}{}
		q.hosts[host] = names
	}
	names[name] = struct{}{}
	q.total++
	return true
}
