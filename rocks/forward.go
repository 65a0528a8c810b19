package rocks

import (
	"fmt"
	"net/netip"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// forward remembers a rock whose end has gone to another Endpoint, so that a peer that looks for it here learns where.
type forward struct {
	keys auth.Keys
	to   wire.Addresses
}

// Forward says that the end of a rock that st describes is at another Endpoint now: to are the addresses of that, as
// [Endpoint.Addresses] returns them. All must have the port of the first, others are left out. A peer that comes here to resume the
// rock is sent there, also while a sealed Conn of it is still here, until the Endpoint is closed or the rock is here again: by
// Resume, or Unseal of that Conn. The last call for a rock counts. Nothing of st but its identity is used, and it is not kept.
func (e *Endpoint) Forward(st *State, to []netip.AddrPort) {
	var a wire.Addresses
	for _, ap := range to {
		if a.Port == 0 {
			a.Port = ap.Port()
		}
		if ap.Port() == a.Port && len(a.Addrs) < wire.MaxAddrs {
			a.Addrs = append(a.Addrs, ap.Addr().Unmap().WithZone(""))
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forwards[rockKey{st.ID, st.Role}] = &forward{auth.Keys{Client: st.ClientKey, Server: st.ServerKey}, a}
}

// returned takes note that an end is here again.
func (e *Endpoint) returned(key rockKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.forwards, key)
}

// forwarded returns where an end has gone, nil if nowhere.
func (e *Endpoint) forwarded(key rockKey) *forward {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forwards[key]
}

// refuse sends the peer of a rock to where the rock is.
func (f *forward) refuse(x *exchange, key rockKey) error {
	x.as(key.role, &f.keys)
	x.sayRefuse(&wire.Refuse{Reason: wire.ReasonMoved, Addresses: f.to})
	return fmt.Errorf("resume of rock %v: %w", key.id, errMovedOn)
}
