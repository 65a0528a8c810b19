package interpose

import "net/netip"

// Listening returns the public addresses at which the group's programs listen now.
func (ip *Interposer) Listening() []netip.AddrPort {
	var list []netip.AddrPort
	for _, l := range ip.sockets.allListeners() {
		list = append(list, l.publicAddr)
	}
	return list
}
