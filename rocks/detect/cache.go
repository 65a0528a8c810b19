package detect

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// CacheOptions bounds a Cache. A zero or negative field means its default.
type CacheOptions struct {
	Rock     time.Duration // how long a Rock verdict holds, default 10 minutes
	Ordinary time.Duration // how long an Ordinary verdict holds, default 5 minutes
	Size     int           // most addresses remembered, default 4096
}

// Defaults of CacheOptions.
const (
	DefaultRockLifetime     = 10 * time.Minute
	DefaultOrdinaryLifetime = 5 * time.Minute
	DefaultCacheSize        = 4096
)

// denialTime is how long a peer that had rocks must have been without, before that is believed: its supervisor may have died just
// then, which ends a probe without a byte, and has an heir.
const denialTime = 2 * time.Second

// firstDoubt is for how long a peer counts as ordinary that was doubtful once. Each time more it is twice as long.
const firstDoubt = 10 * time.Second

// Cache remembers verdicts by address and port, each for a lifetime; when it is
// full the one that was not used for longest makes room. An IPv4 address and
// its IPv6-mapped form are the same key. All methods are safe for concurrent
// use, and none blocks.
type Cache struct {
	options CacheOptions // fixed

	mu sync.Mutex
	// guarded by mu
	byAddr map[netip.AddrPort]*list.Element // of *CacheEntry
	byUse  list.List                        // most recently used first
}

// CacheEntry is one verdict that a Cache holds now.
type CacheEntry struct {
	Addr    netip.AddrPort
	Verdict Verdict
	Expires time.Time

	doubts int       // how often in a row it was doubtful: remembered beyond Expires
	denied time.Time // when it was first said of a Rock that it is Ordinary; zero: not yet
}

// NewCache returns an empty cache with the given bounds.
func NewCache(o CacheOptions) *Cache {
	if o.Rock <= 0 {
		o.Rock = DefaultRockLifetime
	}
	if o.Ordinary <= 0 {
		o.Ordinary = DefaultOrdinaryLifetime
	}
	if o.Size <= 0 {
		o.Size = DefaultCacheSize
	}
	return &Cache{options: o, byAddr: make(map[netip.AddrPort]*list.Element)}
}

// Get returns the verdict on addr, Unknown if there is none or it has expired.
func (c *Cache) Get(addr netip.AddrPort) Verdict {
	addr = unmapPort(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byAddr[addr]
	if !ok {
		return Unknown
	}
	entry := e.Value.(*CacheEntry)
	if !time.Now().Before(entry.Expires) {
		if entry.doubts == 0 {
			c.removeLocked(e)
		}
		return Unknown
	}
	c.byUse.MoveToFront(e)
	return entry.Verdict
}

// Put replaces the verdict on addr and starts its lifetime anew. Putting
// Unknown is Forget. Where there is a verdict of Rock, Doubtful changes nothing, nor does Ordinary for the first denialTime. Else Doubtful is
// Ordinary for some time, which is the longer the more often it was put.
func (c *Cache) Put(addr netip.AddrPort, v Verdict) {
	addr = unmapPort(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	doubts := 0
	if e, ok := c.byAddr[addr]; ok {
		before := e.Value.(*CacheEntry)
		if before.Verdict == Rock && now.Before(before.Expires) && before.stays(v, now) {
			return
		}
		doubts = before.doubts
		c.removeLocked(e)
	}
	var lifetime time.Duration
	switch v {
	case Rock:
		lifetime, doubts = c.options.Rock, 0
	case Ordinary:
		lifetime, doubts = c.options.Ordinary, 0
	case Doubtful:
		lifetime = c.options.Ordinary
		if doubts < 16 {
			lifetime = min(lifetime, firstDoubt<<doubts)
		}
		v, doubts = Ordinary, doubts+1
	default:
		return
	}
	if c.byUse.Len() >= c.options.Size {
		c.removeLocked(c.byUse.Back())
	}
	entry := &CacheEntry{Addr: addr, Verdict: v, Expires: now.Add(lifetime), doubts: doubts}
	c.byAddr[addr] = c.byUse.PushFront(entry)
}

// stays reports whether a verdict of Rock stays in spite of another.
func (e *CacheEntry) stays(v Verdict, now time.Time) bool {
	if v == Ordinary && e.denied.IsZero() {
		e.denied = now
	}
	return v == Doubtful || v == Ordinary && now.Before(e.denied.Add(denialTime))
}

// Forget drops the verdict on addr, as a refusal to resume demands.
func (c *Cache) Forget(addr netip.AddrPort) {
	c.Put(addr, Unknown)
}

// Snapshot returns the verdicts that hold now, most recently used first.
func (c *Cache) Snapshot() []CacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	entries := make([]CacheEntry, 0, c.byUse.Len())
	for e := c.byUse.Front(); e != nil; e = e.Next() {
		if entry := e.Value.(*CacheEntry); now.Before(entry.Expires) {
			entries = append(entries, *entry)
		}
	}
	return entries
}

func (c *Cache) removeLocked(e *list.Element) {
	delete(c.byAddr, e.Value.(*CacheEntry).Addr)
	c.byUse.Remove(e)
}

// unmapPort gives an IPv6-mapped IPv4 address its IPv4 form.
func unmapPort(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
