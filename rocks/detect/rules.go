package detect

import (
	"fmt"
	"net/netip"
)

// Action is what a rule wants of the connections that it matches.
type Action uint8

const (
	// Detect asks the peer, with the cache in front: what happens without a rule.
	Detect Action = iota
	// Force asks the peer whatever the cache says, as if it were known to have
	// rocks. It still has to announce itself before a byte of ours is sent.
	Force
	// Forbid takes the peer for ordinary: no mark, no probe, no rock.
	Forbid
)

// String returns the action as the config file writes it.
func (a Action) String() string {
	switch a {
	case Detect:
		return "detect"
	case Force:
		return "force"
	case Forbid:
		return "forbid"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// ParseAction is the inverse of String.
func ParseAction(s string) (Action, error) {
	for _, a := range []Action{Detect, Force, Forbid} {
		if s == a.String() {
			return a, nil
		}
	}
	return Detect, fmt.Errorf(`action %q: want "force", "forbid" or "detect"`, s)
}

// Rule gives an action to some remote addresses. The zero Rule matches all and
// wants them detected.
type Rule struct {
	Host   Host
	Ports  Ports
	Action Action
}

// Rules is an ordered list of rules. A nil *Rules is an empty one. Its methods are
// safe for concurrent use.
type Rules struct {
	rules []Rule // fixed
	names *names
}

// NewRules returns the given rules, in that order. Host names among them are
// looked up with resolve, when first needed and again after NameLifetime; nil
// means the system's resolver.
func NewRules(rules []Rule, resolve Resolver) *Rules {
	return &Rules{rules: append([]Rule(nil), rules...), names: newNames(resolve)}
}

// Match returns the action of the first rule that matches the remote address,
// Detect if there is none. It blocks, for LookupTimeout at most for each host
// name, only when a rule with a host name and the right port is reached whose
// addresses are not known or are too old.
func (r *Rules) Match(addr netip.AddrPort) Action {
	return r.match(addr).Action
}

// Name returns the host name by which the rule that [Rules.Match] goes by knows the remote address, "" if it has none. It blocks
// likewise.
func (r *Rules) Name(addr netip.AddrPort) string {
	return r.match(addr).Host.name
}

// match returns the first rule that matches, the zero Rule if there is none.
func (r *Rules) match(addr netip.AddrPort) Rule {
	if r == nil {
		return Rule{}
	}
	ip := addr.Addr().Unmap().WithZone("")
	for _, rule := range r.rules {
		if rule.Ports.Contains(addr.Port()) && r.hostMatches(rule.Host, ip) {
			return rule
		}
	}
	return Rule{}
}

// Len returns the number of rules.
func (r *Rules) Len() int {
	if r == nil {
		return 0
	}
	return len(r.rules)
}

func (r *Rules) hostMatches(h Host, ip netip.Addr) bool {
	switch {
	case h.name != "":
		return r.names.resolvesTo(h.name, ip)
	case h.prefix.IsValid():
		return h.prefix.Contains(ip)
	}
	return true
}
