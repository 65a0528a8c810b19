package wire

import (
	"encoding/binary"
	"net/netip"
)

// MaxAddrs bounds the number of addresses in one message.
const MaxAddrs = 32

// Addresses says where an end of a rock can be dialled to resume.
type Addresses struct {
	Port  uint16       // of the resume listener; 0: there is none, nobody can dial this end
	Addrs []netip.Addr // best first; at most MaxAddrs, without zones
}

// AddrPorts returns the addresses with their port, in a list of its own.
func (a Addresses) AddrPorts() []netip.AddrPort {
	list := make([]netip.AddrPort, 0, len(a.Addrs))
	for _, ip := range a.Addrs {
		list = append(list, netip.AddrPortFrom(ip, a.Port))
	}
	return list
}

// Address families as they travel.
const (
	familyV4 = 4
	familyV6 = 6
)

// DecodeAddresses reads what is nothing but an encoding of addresses.
func DecodeAddresses(b []byte) (Addresses, error) {
	r := reader{b: b}
	a := r.addresses()
	if r.bad || len(r.b) > 0 {
		return Addresses{}, &FormatError{What: "addresses", Detail: "they are cut off, or of another form"}
	}
	return a, nil
}

// AppendAddresses appends the encoding that DecodeAddresses reads, with at most MaxAddrs addresses.
func AppendAddresses(b []byte, a Addresses) []byte {
	b = binary.BigEndian.AppendUint16(b, a.Port)
	addrs := a.Addrs[:min(len(a.Addrs), MaxAddrs)]
	at := len(b)
	b = append(b, 0)
	for _, ip := range addrs {
		if !ip.IsValid() {
			continue
		}
		ip = ip.Unmap().WithZone("")
		if ip.Is4() {
			b = append(b, familyV4)
		} else {
			b = append(b, familyV6)
		}
		b = append(b, ip.AsSlice()...)
		b[at]++
	}
	return b
}

// reader takes fields off the front of b. After the first field that does not
// fit, bad is set and everything reads as zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// bytes fills dst.
func (r *reader) bytes(dst []byte) { copy(dst, r.take(len(dst))) }

// flag reads one byte that must be 0 or 1.
func (r *reader) flag() bool {
	v := r.u8()
	if v > 1 {
		r.bad = true
	}
	return v == 1
}

func (r *reader) versions() Versions {
	v := Versions{Min: r.u8(), Max: r.u8()}
	if !v.valid() {
		r.bad = true
	}
	return v
}

func (r *reader) role() Role {
	role := Role(r.u8())
	if !role.Valid() {
		r.bad = true
	}
	return role
}

// addresses reads an Addresses. An IPv4 address in IPv6 form is refused: it has
// an encoding of its own.
func (r *reader) addresses() Addresses {
	a := Addresses{Port: r.u16()}
	n := int(r.u8())
	if n > MaxAddrs || 5*n > len(r.b) {
		r.bad = true
		return Addresses{}
	}
	for range n {
		size := 4
		switch r.u8() {
		case familyV4:
		case familyV6:
			size = 16
		default:
			r.bad = true
		}
		ip, ok := netip.AddrFromSlice(r.take(size))
		if !ok || ip.Is4In6() {
			r.bad = true
			return Addresses{}
		}
		a.Addrs = append(a.Addrs, ip)
	}
	return a
}
