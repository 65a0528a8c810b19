package rocks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Dial makes a new rock to address, host:port as for net.Dial, over network "tcp", "tcp4" or "tcp6". It
// asks the peer first whether it has rocks, without a byte that would disturb one that has none, and returns
// an error that Is ErrOrdinary then. All addresses of the host are tried in turn. It blocks for some round
// trips, or until ctx is done.
func (e *Endpoint) Dial(ctx context.Context, network, address string) (*Conn, error) {
	addrs, err := e.resolve(ctx, network, address)
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
			c.DialledBy(network, address)
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s: %w", address, errors.Join(errs...))}
}

// resolve returns the addresses that a host:port stands for, at least one.
func (e *Endpoint) resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
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
	ips, err := e.cfg.Lookup(ctx, family, host)
	if err != nil {
		return nil, err
	}
	list := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return list, nil
}

// DialledBy tells a rock the name by which it was dialled, host:port, over a network as for Dial: should it be without a link, the name
// is looked up again, since it may have come to stand for another address. Dial does so itself. An address is no name.
func (c *Conn) DialledBy(network, address string) {
	if _, err := netip.ParseAddrPort(address); err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.network, c.name = network, address
}

const (
	// lookAfter is how long the peer is looked for where it was before its name is looked up again.
	lookAfter = time.Second
	// lookEvery is how often that is done then.
	lookEvery = 10 * time.Second
)

// lookUp looks the peer's name up again, if the rock was dialled by one, and looks for the peer there too.
func (c *Conn) lookUp(ctx context.Context) {
	c.mu.Lock()
	network, name := c.network, c.name
	c.mu.Unlock()
	if name == "" {
		return
	}
	list, err := c.e.resolve(ctx, network, name)
	if err != nil {
		c.logger.Debug("name not looked up", "name", name, "err", err)
		return
	}
	c.hint(list, "name stands for another address", "name", name)
}
