package rocks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Dial makes a new rock to address, host:port as for net.Dial, over network "tcp", "tcp4" or "tcp6". It
// asks the peer first whether it has rocks, without a byte that would disturb one that has none, and returns
// an error that Is ErrOrdinary then. All addresses of the host are tried in turn. It blocks for some round
// trips, or until ctx is done.
func (e *Endpoint) Dial(ctx context.Context, network, address string) (*Conn, error) {
	addrs, err := resolve(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var errs []error
	for _, a := range addrs {
		nc, announced, err := e.reach(ctx, a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c, err := e.DialOn(ctx, nc, announced)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s: %w", address, errors.Join(errs...))}
}

// resolve returns the addresses that a host:port stands for, at least one.
func resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	family := map[string]string{"tcp": "ip", "tcp4": "ip4", "tcp6": "ip6"}[network]
	if family == "" {
		return nil, net.UnknownNetworkError(network)
	}
	if a, err := netip.ParseAddrPort(address); err == nil {
		return []netip.AddrPort{a}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, err
	}
	list := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return list, nil
}
