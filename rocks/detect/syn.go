package detect

import "encoding/binary"

// Protocol numbers met on the way from the IP header to the TCP header
// (IANA "Assigned Internet Protocol Numbers").
const (
	protoHopByHop     = 0
	protoTCP          = 6
	protoRouting      = 43
	protoFragment     = 44
	protoAuth         = 51
	protoDestinations = 60
	protoMobility     = 135
	protoHIP          = 139
	protoShim6        = 140
)

// TCP option kinds (RFC 9293, section 3.2).
const (
	optionEnd = 0
	optionNop = 1
	optionMSS = 2
)

// SYNMSS returns the MSS in bytes that a SYN announces. The bytes are what
// getsockopt(TCP_SAVED_SYN) gives for an accepted socket whose listener had
// TCP_SAVE_SYN set to 1: the IPv4 or IPv6 header with its options or extension
// headers, then the TCP header with its options. Nothing is assumed of them.
//
// It returns false if they hold no whole TCP header with SYN set, or no MSS.
// Options are read as the kernel does (tcp_parse_options): the last MSS of
// proper length counts, zero is none, and an option whose length is impossible
// ends the list.
func SYNMSS(saved []byte) (int, bool) {
	segment, ok := tcpSegment(saved)
	if !ok {
		return 0, false
	}
	const fixed, flagSYN = 20, 0x02
	if len(segment) < fixed || segment[13]&flagSYN == 0 {
		return 0, false
	}
	header := int(segment[12]>>4) * 4
	if header < fixed || header > len(segment) {
		return 0, false
	}
	mss := optionsMSS(segment[fixed:header])
	return mss, mss != 0
}

// tcpSegment returns what follows the IP header and all of its extensions.
func tcpSegment(packet []byte) ([]byte, bool) {
	if len(packet) == 0 {
		return nil, false
	}
	switch packet[0] >> 4 {
	case 4:
		return ipv4Payload(packet)
	case 6:
		return ipv6Payload(packet)
	}
	return nil, false
}

// ipv4Payload skips an IPv4 header (RFC 791, section 3.1).
func ipv4Payload(packet []byte) ([]byte, bool) {
	const fixed = 20
	header := int(packet[0]&0x0f) * 4
	if header < fixed || header > len(packet) || packet[9] != protoTCP {
		return nil, false
	}
	const offsetMask = 0x1fff
	if binary.BigEndian.Uint16(packet[6:])&offsetMask != 0 {
		return nil, false // a later fragment does not begin with a TCP header
	}
	return packet[header:], true
}

// ipv6Payload skips an IPv6 header and its extension headers (RFC 8200,
// section 4; RFC 7045 lists them).
func ipv6Payload(packet []byte) ([]byte, bool) {
	const fixed = 40
	if len(packet) < fixed {
		return nil, false
	}
	next, rest := packet[6], packet[fixed:]
	for next != protoTCP {
		length, ok := extensionLen(next, rest)
		if !ok || length > len(rest) {
			return nil, false
		}
		next, rest = rest[0], rest[length:]
	}
	return rest, true
}

// extensionLen returns the length in bytes of the IPv6 extension header of the
// given kind at the beginning of b; it is at least 8, so that a walk ends.
func extensionLen(kind byte, b []byte) (int, bool) {
	if len(b) < 8 {
		return 0, false
	}
	switch kind {
	case protoHopByHop, protoRouting, protoDestinations, protoMobility, protoHIP, protoShim6:
		return (int(b[1]) + 1) * 8, true
	case protoAuth:
		return (int(b[1]) + 2) * 4, true // RFC 4302 counts in words, less two
	case protoFragment:
		return 8, binary.BigEndian.Uint16(b[2:])>>3 == 0
	}
	return 0, false
}

// optionsMSS returns the MSS among TCP options, 0 if there is none.
func optionsMSS(options []byte) int {
	mss := 0
	for len(options) > 0 {
		switch options[0] {
		case optionEnd:
			return mss
		case optionNop:
			options = options[1:]
			continue
		}
		if len(options) < 2 {
			return mss
		}
		length := int(options[1])
		if length < 2 || length > len(options) {
			return mss
		}
		if options[0] == optionMSS && length == 4 {
			if value := int(binary.BigEndian.Uint16(options[2:])); value != 0 {
				mss = value
			}
		}
		options = options[length:]
	}
	return mss
}
