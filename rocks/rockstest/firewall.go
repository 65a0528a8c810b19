package rockstest

import (
	"net/netip"
	"slices"
)

// A Firewall judges the first packet of a connection by its source and
// destination. Connections that exist are not touched.
type Firewall func(src, dst netip.AddrPort) Verdict

// A Verdict is what becomes of a packet.
type Verdict int

// The verdicts of a Firewall.
const (
	Pass   Verdict = iota
	Drop           // lost without a word
	Refuse         // answered: Dial fails with ECONNREFUSED
)

// Ports returns a Firewall that passes connections to the given ports and drops
// all others. Without ports it drops all.
func Ports(open ...uint16) Firewall {
	return func(_, dst netip.AddrPort) Verdict {
		if slices.Contains(open, dst.Port()) {
			return Pass
		}
		return Drop
	}
}

// SetFirewall sets what may come in and what may go out; nil passes all.
func (h *Host) SetFirewall(in, out Firewall) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.in, h.out = in, out
}

func (f Firewall) judge(src, dst netip.AddrPort) Verdict {
	if f == nil {
		return Pass
	}
	return f(src, dst)
}
