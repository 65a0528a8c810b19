package rocks

import "net/netip"

// Addresses returns where peers find this endpoint: its resume port at the addresses of this host, best first, as it tells them.
func (e *Endpoint) Addresses() []netip.AddrPort { return e.addresses().AddrPorts() }
