package interpose

import (
	"net/netip"

	"rock/rocks/estate"
)

// keptListener is the part of a listener's record. The private listener is the program's, and stays as it is.
type keptListener struct {
	Public        int            `msgpack:"public"` // the program's own socket
	PublicCookie  uint64         `msgpack:"public_cookie"`
	Private       netip.AddrPort `msgpack:"private"`
	PrivateCookie uint64         `msgpack:"private_cookie"`
	Family        int            `msgpack:"family"`
	Backlog       int            `msgpack:"backlog"`
}

// keep writes down the listener for an heir.
func (l *listener) keep() {
	e := l.ip.estate
	if e == nil {
		return
	}
	if err := l.keepIn(e); err != nil {
		l.ip.log.Warn("the listener would not survive this process", "address", l.publicAddr, "error", err)
	}
}

func (l *listener) keepIn(e *estate.Estate) error {
	part := keptListener{
		PublicCookie: l.publicCookie, Private: l.private, PrivateCookie: l.privateCookie, Family: l.family, Backlog: l.backlog,
	}
	err := onConn(l.public, func(fd int) error { part.Public = fd; return nil })
	if err == nil {
		l.record, err = newRecord(e, listenerRecord, &part)
	}
	return err
}

// unkeep gives the record up.
func (l *listener) unkeep() {
	if l.record != nil {
		l.record.Free()
		l.record = nil
	}
}
