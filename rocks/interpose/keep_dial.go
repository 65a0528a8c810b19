package interpose

import (
	"net/netip"

	"rock/rocks/detect"
)

// keptDial is the part of the record of a connect that the program waits for by polling: the program's socket is on hold. One in
// which it waits is among the calls that were not answered (seccomp.Progress).
type keptDial struct {
	Program  int            `msgpack:"program"` // duplicate of the program's socket
	Listener int            `msgpack:"listener"`
	Filler   int            `msgpack:"filler"`
	Address  netip.AddrPort `msgpack:"address"` // of the hold
	HoldOf   int            `msgpack:"hold_of"` // family of that
	Cookie   uint64         `msgpack:"cookie"`
	Family   int            `msgpack:"family"`
	Remote   netip.AddrPort `msgpack:"remote"`
	Local    netip.Addr     `msgpack:"local"`
}

// keep writes down a dial that is on hold, for an heir.
func (d *dial) keep() {
	d.unkeep()
	e := d.ip.estate
	if e == nil || d.hold == nil || d.hold.blocking {
		return
	}
	h := d.hold
	part := keptDial{
		Program: h.program, Listener: h.listener, Filler: h.filler, Address: h.addr, HoldOf: h.family,
		Cookie: d.s.cookie, Family: d.s.family, Remote: d.remote, Local: d.local,
	}
	var err error
	if d.record, err = newRecord(e, dialRecord, &part); err != nil {
		d.ip.log.Warn("the connect would not survive this process", "remote", d.remote, "error", err)
	}
}

// unkeep gives the record up, before the hold ends.
func (d *dial) unkeep() {
	if d.record != nil {
		d.record.Free()
		d.record = nil
	}
}

// inheritDial goes on with a dial of a supervisor that has died.
func (ip *Interposer) inheritDial(k *keptDial) *dial {
	s := newSocket(k.Cookie, k.Family, k.Remote)
	d := &dial{ip: ip, s: s, program: k.Program, remote: k.Remote, local: k.Local, verdict: detect.Unknown}
	d.hold = &hold{program: k.Program, listener: k.Listener, filler: k.Filler, addr: k.Address, family: k.HoldOf, reached: make(chan error, 1)}
	ip.sockets.put(s)
	return d
}
