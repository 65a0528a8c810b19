package pcap

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags, RFC 9293 section 3.1.
const (
	finFlag = 1 << iota
	synFlag
	rstFlag
	_ // PSH
	ackFlag
)

// segment is what one packet says.
type segment struct {
	src, dst netip.AddrPort
	seq      uint32
	flags    byte
	mss      int
	payload  []byte
}

// parse takes an Ethernet frame apart; ok is false if it carries no whole TCP segment.
func parse(frame []byte) (s segment, ok bool) {
	if len(frame) < 14 {
		return s, false
	}
	packet := frame[14:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		return parse4(packet)
	case 0x86dd:
		return parse6(packet)
	}
	return s, false
}

func parse4(p []byte) (s segment, ok bool) {
	if len(p) < 20 || p[9] != 6 {
		return s, false
	}
	header, total := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
	if total == 0 { // segmentation offload, more than 64 KiB
		total = len(p)
	}
	if header < 20 || header > total || total > len(p) {
		return s, false
	}
	src, dst := netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	return parseTCP(src, dst, p[header:total])
}

func parse6(p []byte) (s segment, ok bool) {
	if len(p) < 40 || p[6] != 6 {
		return s, false
	}
	total := 40 + int(binary.BigEndian.Uint16(p[4:]))
	if total > len(p) {
		return s, false
	}
	src, dst := netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	return parseTCP(src, dst, p[40:total])
}

func parseTCP(src, dst netip.Addr, p []byte) (s segment, ok bool) {
	if len(p) < 20 {
		return s, false
	}
	header := int(p[12]>>4) * 4
	if header < 20 || header > len(p) {
		return s, false
	}
	return segment{
		src:     netip.AddrPortFrom(src, binary.BigEndian.Uint16(p)),
		dst:     netip.AddrPortFrom(dst, binary.BigEndian.Uint16(p[2:])),
		seq:     binary.BigEndian.Uint32(p[4:]),
		flags:   p[13],
		mss:     maxSegment(p[20:header]),
		payload: p[header:],
	}, true
}

// maxSegment finds the MSS among the TCP options, 0 if it is not there.
func maxSegment(o []byte) int {
	for len(o) > 0 {
		switch {
		case o[0] == 0: // end of options
			return 0
		case o[0] == 1: // padding
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return 0
		case o[0] == 2 && o[1] == 4:
			return int(binary.BigEndian.Uint16(o[2:]))
		default:
			o = o[o[1]:]
		}
	}
	return 0
}
