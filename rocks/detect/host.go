package detect

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Host is the host part of a rule: a name, an address, a block of addresses, or
// (the zero value) any host.
type Host struct {
	name   string       // lower case, without the final dot
	prefix netip.Prefix // masked; not IPv6-mapped, no zone
}

// ParseHost reads "*" (any host), an IP address, a block in CIDR notation such
// as "10.0.0.0/8" or "fd00::/8", or a host name.
func ParseHost(s string) (Host, error) {
	if s == "*" {
		return Host{}, nil
	}
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefixHost(prefix), nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		if ip.Zone() != "" {
			return Host{}, fmt.Errorf("host %q: want an address without a zone", s)
		}
		return prefixHost(netip.PrefixFrom(ip, ip.BitLen())), nil
	}
	if name := strings.TrimSuffix(strings.ToLower(s), "."); isHostName(name) {
		return Host{name: name}, nil
	}
	return Host{}, fmt.Errorf(
		`host %q: want a host name, an IP address, a block such as 10.0.0.0/8 or fd00::/8, or "*"`, s)
}

// String returns the host in the form that ParseHost reads.
func (h Host) String() string {
	switch {
	case h.name != "":
		return h.name
	case h.prefix.IsValid() && h.prefix.IsSingleIP():
		return h.prefix.Addr().String()
	case h.prefix.IsValid():
		return h.prefix.String()
	}
	return "*"
}

// prefixHost matches a block; an IPv6-mapped one means its IPv4 form.
func prefixHost(p netip.Prefix) Host {
	const mappedBits = 96
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return Host{prefix: p.Masked()}
}

// isHostName reports whether a lower case name may be looked up: labels of
// letters, digits, "-" and "_" (RFC 1123, section 2.1, and what DNS is used
// for), the last of which is not a number, so that "10.0.0.300" is refused.
func isHostName(name string) bool {
	const maxName, maxLabel = 253, 63
	if name == "" || len(name) > maxName {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	_, err := strconv.ParseUint(labels[len(labels)-1], 10, 64)
	return err != nil
}

// Ports is a range of ports, both ends included. The zero value is all ports.
type Ports struct {
	First, Last uint16
}

// ParsePorts reads a port ("22") or a range of them ("8000-8100"), 1 to 65535.
func ParsePorts(s string) (Ports, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	p := Ports{First: parsePort(first), Last: parsePort(last)}
	if p.First == 0 || p.Last == 0 {
		return Ports{}, fmt.Errorf("port %q: want a number or a range such as 8000-8100", s)
	}
	if p.First > p.Last {
		return Ports{}, fmt.Errorf("port %q: want the lower end of the range first", s)
	}
	return p, nil
}

// String returns the range in the form that ParsePorts reads, "*" for all.
func (p Ports) String() string {
	switch {
	case p == Ports{}:
		return "*"
	case p.First == p.Last:
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// Contains reports whether a port is in the range.
func (p Ports) Contains(port uint16) bool {
	return p == Ports{} || p.First <= port && port <= p.Last
}

// parsePort returns 0 for what is not a port.
func parsePort(s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
