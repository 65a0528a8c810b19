package rocks

import "net/netip"

// Addresses returns where peers find this endpoint: its resume port at the addresses of this host, best first, as it tells them.
func (e *Endpoint) Addresses() []netip.AddrPort {
	own := e.addresses()
	list := make([]netip.AddrPort, 0, len(own.Addrs))
	for _, a := range own.Addrs {
		list = append(list, netip.AddrPortFrom(a, own.Port))
	}
	return list
}
