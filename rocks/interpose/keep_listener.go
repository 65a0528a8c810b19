package interpose

import (
	"net/netip"

	"github.com/vmihailenco/msgpack/v5"

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
	raw, err := l.public.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { part.Public = int(fd) }); err != nil {
		return err
	}
	b, err := msgpack.Marshal(&part)
	if err != nil {
		return err
	}
	if l.record, err = e.NewRecord(); err != nil {
		return err
	}
	if err := l.record.Write(b); err != nil {
		return err
	}
	l.record.Publish(listenerRecord)
	return nil
}

// unkeep gives the record up.
func (l *listener) unkeep() {
	if l.record != nil {
		l.record.Free()
		l.record = nil
	}
}
