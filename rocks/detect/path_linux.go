package detect

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Header lengths in bytes that an MSS leaves out of the MTU (RFC 6691).
const (
	headers4 = 20 + 20
	headers6 = 40 + 20
)

// PathMSS returns the MSS in bytes that this host's kernel would announce to
// remote, at most MaxMSS: the path MTU of the route less the fixed headers.
// It asks the kernel by connecting a UDP socket and reading IP_MTU (ip(7)) or
// IPV6_MTU (ipv6(7)), so no packet is sent and it does not block. An error
// means that there is no route, or no such address family. The advmss metric
// of a route is not seen.
func PathMSS(remote netip.Addr) (int, error) {
	if !remote.IsValid() {
		return 0, errors.New("find route: no address")
	}
	remote = remote.Unmap()
	const discard = 9 // any port will do, nothing is sent
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, discard)))
	if err != nil {
		return 0, fmt.Errorf("find route to %v: %w", remote, err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("find route to %v: %w", remote, err)
	}
	level, option, headers := syscall.IPPROTO_IP, syscall.IP_MTU, headers4
	if remote.Is6() {
		level, option, headers = syscall.IPPROTO_IPV6, syscall.IPV6_MTU, headers6
	}
	var mtu int
	var optErr error
	err = raw.Control(func(fd uintptr) {
		mtu, optErr = syscall.GetsockoptInt(int(fd), level, option)
	})
	if err == nil {
		err = optErr
	}
	if err != nil {
		return 0, fmt.Errorf("read path MTU to %v: %w", remote, err)
	}
	return min(mtu-headers, MaxMSS), nil
}
