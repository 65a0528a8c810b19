package detect

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rule builds a rule from the forms of the config file.
func rule(t *testing.T, host, ports string, action Action) Rule {
	t.Helper()
	r := Rule{Action: action}
	var err error
	if host != "" {
		if r.Host, err = ParseHost(host); err != nil {
			t.Fatal(err)
		}
	}
	if ports != "" {
		if r.Ports, err = ParsePorts(ports); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// noLookup is a resolver for rules that must not need one.
func noLookup(t *testing.T) Resolver {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		t.Errorf("looked up %s", host)
		return nil, errors.New("none")
	}
}

func TestRulesMatch(t *testing.T) {
	rules := NewRules([]Rule{
		rule(t, "192.0.2.7", "22", Force),
		rule(t, "192.0.2.0/24", "8000-8100", Forbid),
		rule(t, "192.0.2.0/24", "", Detect),
		rule(t, "2001:db8::/32", "", Force),
		rule(t, "::ffff:198.51.100.0/120", "", Force),
		rule(t, "fe80::1", "", Force),
		rule(t, "", "25", Forbid),
		rule(t, "*", "26", Forbid),
	}, noLookup(t))
	tests := []struct {
		addr string
		want Action
	}{
		{"192.0.2.7:22", Force},
		{"[::ffff:192.0.2.7]:22", Force},
		{"192.0.2.7:23", Detect},
		{"192.0.2.8:22", Detect},
		{"192.0.2.8:7999", Detect},
		{"192.0.2.8:8000", Forbid},
		{"192.0.2.8:8100", Forbid},
		{"192.0.2.8:8101", Detect},
		{"192.0.2.8:25", Detect}, // the detect rule comes first
		{"[2001:db8:1::1]:25", Force},
		{"[2001:db9::1]:22", Detect},
		{"198.51.100.3:1", Force},
		{"[fe80::1%eth0]:1", Force},
		{"203.0.113.1:25", Forbid},
		{"203.0.113.1:26", Forbid},
		{"203.0.113.1:27", Detect},
	}
	for _, tt := range tests {
		if got := rules.Match(netip.MustParseAddrPort(tt.addr)); got != tt.want {
			t.Errorf("Match(%s) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}

func TestRulesNil(t *testing.T) {
	var rules *Rules
	if got := rules.Match(addrA); got != Detect || rules.Len() != 0 {
		t.Errorf("Match, Len of nil = %v, %d, want detect, 0", got, rules.Len())
	}
}

// TestRulesName asks by which name a rule knows an address: only the rule that counts does.
func TestRulesName(t *testing.T) {
	rules := NewRules([]Rule{
		rule(t, "192.0.2.9", "", Detect),
		rule(t, "server.example", "22", Force),
		rule(t, "other.example", "", Detect),
	}, func(_ context.Context, host string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.9")}, nil
	})
	for addr, want := range map[string]string{
		"192.0.2.7:22": "server.example", "192.0.2.7:23": "other.example", "192.0.2.9:22": "", "192.0.2.8:22": "",
		"[::ffff:192.0.2.7]:22": "server.example",
	} {
		if got := rules.Name(netip.MustParseAddrPort(addr)); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
	if got := (*Rules)(nil).Name(netip.MustParseAddrPort("192.0.2.7:22")); got != "" {
		t.Errorf("no rules: got %q", got)
	}
}

func TestParseHost(t *testing.T) {
	tests := []struct{ in, want string }{
		{"*", "*"},
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/24", "192.0.2.0/24"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:DB8::1", "2001:db8::1"},
		{"::/0", "::/0"},
		{"Example.NET.", "example.net"},
		{"localhost", "localhost"},
		{"_srv.a-b.x1", "_srv.a-b.x1"},
	}
	for _, tt := range tests {
		got, err := ParseHost(tt.in)
		if err != nil || got.String() != tt.want {
			t.Errorf("ParseHost(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
		if again, err := ParseHost(got.String()); err != nil || again != got {
			t.Errorf("ParseHost(%q) = %v, %v, want %v", got.String(), again, err, got)
		}
	}
	for _, in := range []string{
		"", ".", "a..b", "-a", "a-", "a b", "10.0.0.300", "10.0.0.0/33", "1", "fe80::1%eth0", "a/8", "host:22", "é.net", "*.net",
	} {
		if got, err := ParseHost(in); err == nil {
			t.Errorf("ParseHost(%q) = %v, want an error", in, got)
		}
	}
}

func TestParsePorts(t *testing.T) {
	tests := []struct {
		in   string
		want Ports
	}{
		{"1", Ports{1, 1}}, {"65535", Ports{65535, 65535}}, {"8000-8100", Ports{8000, 8100}}, {"7-7", Ports{7, 7}},
	}
	for _, tt := range tests {
		if got, err := ParsePorts(tt.in); err != nil || got != tt.want {
			t.Errorf("ParsePorts(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "0", "65536", "-1", "80a", "1-", "-", "2-1", "1-2-3", "+1", " 1", "http", "1_0"} {
		if got, err := ParsePorts(in); err == nil {
			t.Errorf("ParsePorts(%q) = %v, want an error", in, got)
		}
	}
	for p, want := range map[Ports]string{{}: "*", {1, 1}: "1", {1, 2}: "1-2"} {
		if got := p.String(); got != want {
			t.Errorf("String of %d-%d = %q, want %q", p.First, p.Last, got, want)
		}
	}
}

func TestParseAction(t *testing.T) {
	for _, want := range []Action{Detect, Force, Forbid} {
		if got, err := ParseAction(want.String()); err != nil || got != want {
			t.Errorf("ParseAction(%q) = %v, %v", want.String(), got, err)
		}
	}
	if _, err := ParseAction("deny"); err == nil {
		t.Error("ParseAction took an unknown action")
	}
}

// resolver is a Resolver that a test changes under way. It lives in one bubble, in
// which its users take turns.
type resolver struct {
	addrs   []netip.Addr
	err     error
	delay   time.Duration
	lookups int
}

func (r *resolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	r.lookups++
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(r.delay):
		return slices.Clone(r.addrs), r.err
	}
}

func TestRulesNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &resolver{addrs: []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1"), addrC.Addr()}}
		rules := NewRules([]Rule{rule(t, "db.example.net", "22", Forbid)}, r.lookup)
		step := func(what string, addr netip.AddrPort, want Action, lookups int) {
			t.Helper()
			if got := rules.Match(addr); got != want || r.lookups != lookups {
				t.Errorf("%s: Match(%v) = %v after %d lookups, want %v after %d", what, addr, got, r.lookups, want, lookups)
			}
		}
		step("other port", addrB, Detect, 0)
		step("first", addrA, Forbid, 1)
		step("known", addrC, Forbid, 1)
		r.addrs = []netip.Addr{addrC.Addr()}
		time.Sleep(NameLifetime - 1)
		step("not expired", addrA, Forbid, 1)
		time.Sleep(time.Nanosecond)
		step("expired", addrA, Detect, 2)

		r.err = errors.New("network is down")
		time.Sleep(NameLifetime)
		step("failed, old addresses", addrC, Forbid, 3)
		step("failed, not asked again at once", addrC, Forbid, 3)
		r.addrs, r.err = []netip.Addr{addrA.Addr()}, nil
		time.Sleep(failedFor)
		step("asked again", addrC, Detect, 4)
		step("asked again", addrA, Forbid, 4)
	})
}

func TestRulesNameTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &resolver{delay: time.Hour}
		rules := NewRules([]Rule{rule(t, "db.example.net", "", Forbid)}, r.lookup)
		start := time.Now()
		if got := rules.Match(addrA); got != Detect {
			t.Errorf("Match = %v, want detect", got)
		}
		if got := time.Since(start); got != LookupTimeout {
			t.Errorf("Match took %v, want %v", got, LookupTimeout)
		}
	})
}

// TestRulesNameShared checks that a name is looked up once for all who wait, and
// that nobody waits while there are old addresses.
func TestRulesNameShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &resolver{addrs: []netip.Addr{addrA.Addr()}, delay: time.Second}
		rules := NewRules([]Rule{rule(t, "db.example.net", "", Forbid)}, r.lookup)
		match := func() time.Duration {
			start := time.Now()
			if got := rules.Match(addrA); got != Forbid {
				t.Errorf("Match = %v, want forbid", got)
			}
			return time.Since(start)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if got := match(); got != time.Second {
					t.Errorf("first Match took %v, want 1s", got)
				}
			})
		}
		wg.Wait()
		if r.lookups != 1 {
			t.Errorf("looked up %d times, want once", r.lookups)
		}
		time.Sleep(NameLifetime)
		wg.Go(func() { match() })
		synctest.Wait()
		if got := match(); got != 0 {
			t.Errorf("Match took %v during a look-up, want 0", got)
		}
		wg.Wait()
	})
}
