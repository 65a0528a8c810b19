package detect

import (
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrA = netip.MustParseAddrPort("192.0.2.1:22")
	addrB = netip.MustParseAddrPort("192.0.2.1:80")
	addrC = netip.MustParseAddrPort("[2001:db8::1]:22")
)

func wantVerdict(t *testing.T, c *Cache, addr netip.AddrPort, want Verdict) {
	t.Helper()
	if got := c.Get(addr); got != want {
		t.Errorf("Get(%v) = %v, want %v", addr, got, want)
	}
}

func TestCacheLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(CacheOptions{})
		c.Put(addrA, Rock)
		c.Put(addrB, Ordinary)
		wantVerdict(t, c, addrC, Unknown)

		time.Sleep(5*time.Minute - 1)
		wantVerdict(t, c, addrA, Rock)
		wantVerdict(t, c, addrB, Ordinary)
		time.Sleep(time.Nanosecond)
		wantVerdict(t, c, addrB, Unknown)
		time.Sleep(5*time.Minute - 1)
		wantVerdict(t, c, addrA, Rock)
		time.Sleep(time.Nanosecond)
		wantVerdict(t, c, addrA, Unknown)
		if got := c.Snapshot(); len(got) != 0 {
			t.Errorf("Snapshot = %v, want none", got)
		}
	})
}

func TestCachePutReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(CacheOptions{Rock: time.Minute, Ordinary: time.Second})
		c.Put(addrA, Ordinary)
		c.Put(addrA, Rock)
		time.Sleep(30 * time.Second)
		wantVerdict(t, c, addrA, Rock)
		c.Put(addrA, Rock) // starts its lifetime anew
		time.Sleep(59 * time.Second)
		wantVerdict(t, c, addrA, Rock)
		c.Put(addrA, Unknown)
		wantVerdict(t, c, addrA, Unknown)
		c.Put(addrA, Rock)
		c.Forget(addrA)
		c.Forget(addrA)
		wantVerdict(t, c, addrA, Unknown)
	})
}

func TestCacheMappedAddress(t *testing.T) {
	c := NewCache(CacheOptions{})
	c.Put(netip.MustParseAddrPort("[::ffff:192.0.2.1]:22"), Rock)
	wantVerdict(t, c, addrA, Rock)
}

func TestCacheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(CacheOptions{Size: 2})
		c.Put(addrA, Rock)
		c.Put(addrB, Ordinary)
		wantVerdict(t, c, addrA, Rock) // used: b goes first
		c.Put(addrC, Rock)
		wantVerdict(t, c, addrB, Unknown)
		now := time.Now()
		want := []CacheEntry{
			{Addr: addrC, Verdict: Rock, Expires: now.Add(DefaultRockLifetime)},
			{Addr: addrA, Verdict: Rock, Expires: now.Add(DefaultRockLifetime)},
		}
		if got := c.Snapshot(); !reflect.DeepEqual(got, want) {
			t.Errorf("Snapshot = %v, want %v", got, want)
		}
		c.Put(addrC, Rock) // in place of itself: nothing else goes
		wantVerdict(t, c, addrA, Rock)
	})
}

func TestCacheConcurrent(t *testing.T) {
	c := NewCache(CacheOptions{Size: 8})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 500 {
				addr := netip.AddrPortFrom(addrA.Addr(), uint16(i*7+j%16))
				c.Put(addr, Verdict(j%3))
				c.Get(addr)
				c.Snapshot()
			}
		})
	}
	wg.Wait()
	if got := len(c.Snapshot()); got > 8 {
		t.Errorf("the cache holds %d entries, want at most 8", got)
	}
}

func TestVerdictString(t *testing.T) {
	for v, want := range map[Verdict]string{Unknown: "unknown", Ordinary: "ordinary", Rock: "rock", 9: "verdict(9)"} {
		if got := v.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

// What the network may have done is not held against a peer for long, nor at all against one that is known to have rocks; but who is silent
// again and again is asked more and more seldom.
func TestCacheDoubtful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(CacheOptions{})
		c.Put(addrA, Rock)
		c.Put(addrA, Doubtful)
		wantVerdict(t, c, addrA, Rock)
		time.Sleep(11 * time.Minute)
		c.Put(addrA, Doubtful)
		wantVerdict(t, c, addrA, Ordinary)

		for _, holds := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute} {
			c.Put(addrB, Doubtful)
			time.Sleep(holds - 1)
			wantVerdict(t, c, addrB, Ordinary)
			time.Sleep(time.Nanosecond)
			wantVerdict(t, c, addrB, Unknown)
		}
		c.Put(addrB, Ordinary) // it has said so, and the doubts are forgotten
		c.Put(addrB, Doubtful)
		time.Sleep(10 * time.Second)
		wantVerdict(t, c, addrB, Unknown)
		if got := c.Snapshot(); len(got) != 0 {
			t.Errorf("Snapshot = %v, want none", got)
		}
	})
}

// A peer that had rocks must be without for some time, before that is believed.
func TestCacheDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(CacheOptions{})
		c.Put(addrA, Rock)
		for range 3 {
			c.Put(addrA, Ordinary)
			time.Sleep(time.Second / 2)
			wantVerdict(t, c, addrA, Rock)
		}
		c.Put(addrA, Rock) // it has them again
		time.Sleep(denialTime)
		c.Put(addrA, Ordinary)
		wantVerdict(t, c, addrA, Rock)
		time.Sleep(denialTime)
		c.Put(addrA, Ordinary)
		wantVerdict(t, c, addrA, Ordinary)
	})
}
