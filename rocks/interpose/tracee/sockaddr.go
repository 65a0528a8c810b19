package tracee

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sizes of socket addresses, from linux/in.h, linux/in6.h and linux/socket.h.
const (
	inLen      = 16  // struct sockaddr_in
	in6MinLen  = 24  // struct sockaddr_in6 of RFC 2133: without scope id
	in6Len     = 28  // struct sockaddr_in6
	storageLen = 128 // struct sockaddr_storage
)

// Sockaddr reads the socket address of n bytes at addr in the task. n is an
// argument register, taken as a C int. Only AF_INET and AF_INET6 give an
// AddrPort; for any other family it is the zero value. An address like
// ::ffff:192.0.2.1 stays IPv4-mapped. The zone is the decimal scope id, and only
// for addresses of link-local scope, as the kernel ignores it for all others.
// EINVAL for lengths that the kernel refuses, EFAULT for memory that is not there.
func Sockaddr(tid int, addr, n uint64) (netip.AddrPort, int, error) {
	size := int(int32(n))
	if size < 2 || size > storageLen {
		return netip.AddrPort{}, 0, fmt.Errorf("socket address of %d bytes: %w", size, unix.EINVAL)
	}
	var buf [storageLen]byte
	if err := Read(tid, addr, buf[:size]); err != nil {
		return netip.AddrPort{}, 0, err
	}
	return parse(buf[:size])
}

func parse(b []byte) (netip.AddrPort, int, error) {
	family := int(binary.NativeEndian.Uint16(b))
	switch {
	case family == unix.AF_INET && len(b) >= inLen:
		ip := netip.AddrFrom4([4]byte(b[4:8]))
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:])), family, nil
	case family == unix.AF_INET6 && len(b) >= in6MinLen:
		ip := netip.AddrFrom16([16]byte(b[8:24]))
		if len(b) >= in6Len && scoped(ip) {
			if id := binary.NativeEndian.Uint32(b[24:]); id != 0 {
				ip = ip.WithZone(strconv.FormatUint(uint64(id), 10))
			}
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:])), family, nil
	case family == unix.AF_INET || family == unix.AF_INET6:
		return netip.AddrPort{}, family, fmt.Errorf("IP address of %d bytes: %w", len(b), unix.EINVAL)
	}
	return netip.AddrPort{}, family, nil
}

// scoped says that the kernel looks at the scope id (net/ipv6.h, __ipv6_addr_needs_scope_id).
func scoped(ip netip.Addr) bool {
	return ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast()
}

// format is the inverse of parse. IPv4 in an AF_INET6 address is mapped,
// an invalid address is the unspecified one.
func format(a netip.AddrPort, family int) ([]byte, error) {
	ip := a.Addr()
	switch family {
	case unix.AF_INET:
		b := make([]byte, inLen)
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
		binary.BigEndian.PutUint16(b[2:], a.Port())
		if ip = ip.Unmap(); ip.Is4() {
			v4 := ip.As4()
			copy(b[4:], v4[:])
		} else if ip.IsValid() && !ip.IsUnspecified() {
			return nil, fmt.Errorf("address %v in AF_INET: %w", ip, unix.EAFNOSUPPORT)
		}
		return b, nil
	case unix.AF_INET6:
		b := make([]byte, in6Len)
		binary.NativeEndian.PutUint16(b, unix.AF_INET6)
		binary.BigEndian.PutUint16(b[2:], a.Port())
		if ip.IsValid() {
			v6 := ip.As16()
			copy(b[8:], v6[:])
		}
		binary.NativeEndian.PutUint32(b[24:], scopeID(ip.Zone()))
		return b, nil
	}
	return nil, fmt.Errorf("socket address of family %d: %w", family, unix.EAFNOSUPPORT)
}

// scopeID turns a zone, a number or an interface name, into a scope id.
func scopeID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(ifi.Index)
}
