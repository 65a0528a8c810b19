package interpose

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vmihailenco/msgpack/v5"

	"rock/rocks"
	"rock/rocks/estate"
	"rock/rocks/wire"
)

// What is kept in the estate besides the rocks, for an heir: see [Inherit].
const (
	legRecord      = rocks.RecordKind + 1 + iota // a keptLeg, and the words below
	listenerRecord                               // a keptListener
	dialRecord                                   // a keptDial
)

// OthersRecords is from where on the kinds of records are not this package's, nor that of rocks.
const OthersRecords = 64

// The words of a leg's record.
const (
	wordCookie   = iota // of the program's socket; 0: it was not accepted yet
	wordAccepted        // our descriptor of it, plus one, from when it was accepted until the program has it; else 0
	wordCall            // the call that it is the answer to, 0 for none yet
)

// keptLeg is the part of a leg's record: how it stood when it began to carry.
type keptLeg struct {
	Rock     []byte         `msgpack:"rock"` // id
	Role     wire.Role      `msgpack:"role"`
	Inner    int            `msgpack:"inner"`    // our end
	Cookie   uint64         `msgpack:"cookie"`   // of that
	Listener uint64         `msgpack:"listener"` // cookie of the public socket of the listener that it is a doorbell of; 0: none
	Family   int            `msgpack:"family"`
	Local    netip.AddrPort `msgpack:"local"`
	Remote   netip.AddrPort `msgpack:"remote"`

	Written uint64 `msgpack:"written"` // by the program, as far as the rock knew
	Read    uint64 `msgpack:"read"`
	Sent    uint64 `msgpack:"sent"`  // position of our end
	Taken   uint64 `msgpack:"taken"` // the same
	ToPeer  lump   `msgpack:"to_peer"`
	ToProg  lump   `msgpack:"to_program"`
	FinDue  bool   `msgpack:"fin_due"`

	Parked *keptPark `msgpack:"parked"` // nil while it carries
}

// lump is a piece of the estate with bytes that were drained from a leg.
type lump struct {
	Place uint64 `msgpack:"place"`
	Len   int    `msgpack:"len"`
}

// kept is a leg's record.
type kept struct {
	estate *estate.Estate
	record *estate.Record
	part   keptLeg
	lumps  []lump // of the part
}

// keep writes down how a leg stands that is about to carry; its cargo first. A leg without a rock ends with this process.
func (ip *Interposer) keep(l *leg) {
	rock, ok := l.outer.(*rocks.Conn)
	if !ok || ip.estate == nil {
		return
	}
	if err := l.keepIn(ip.estate, rock); err != nil {
		ip.log.Warn("the connection would not survive this process", "remote", l.sock.remote, "error", err)
		l.unkeep()
	}
}

func (l *leg) keepIn(e *estate.Estate, rock *rocks.Conn) error {
	k := l.kept
	if k == nil {
		r, err := e.NewRecord()
		if err != nil {
			return err
		}
		k = &kept{estate: e, record: r}
		l.kept = k
	}
	_, local, remote := l.sock.look()
	id := rock.ID()
	k.part = keptLeg{
		Rock: id[:], Role: rock.Role(), Listener: l.listener, Family: l.sock.family, Local: local, Remote: remote, FinDue: l.finDue,
	}
	k.part.Written, k.part.Read = rock.Offsets()
	err := onConn(l.inner, func(fd int) error {
		at, err := positionOf(fd)
		if err != nil {
			return err
		}
		k.part.Inner, k.part.Sent, k.part.Taken = fd, at.sent, at.taken
		k.part.Cookie, err = cookie(fd)
		return err
	})
	if err != nil {
		return err
	}
	if err := k.replace(l.toPeer, l.toProgram); err != nil {
		return err
	}
	l.sock.keepIn(k.record)
	k.record.Publish(legRecord)
	return nil
}

// replace writes the part anew, with cargo in the place of what it had. After an error the record is to be given up.
func (k *kept) replace(toPeer, toProgram []byte) (err error) {
	old := k.lumps
	k.lumps = nil
	if k.part.ToPeer, err = k.lump(toPeer); err == nil {
		k.part.ToProg, err = k.lump(toProgram)
	}
	if err == nil {
		err = k.write()
	}
	if err != nil {
		k.lumps = append(k.lumps, old...)
		return err
	}
	k.give(old)
	return nil
}

// write writes the part.
func (k *kept) write() error { return writePart(k.record, &k.part) }

func writePart(r *estate.Record, part any) error {
	b, err := msgpack.Marshal(part)
	if err == nil {
		err = r.Write(b)
	}
	if err != nil {
		return fmt.Errorf("keep for an heir: %w", err)
	}
	return nil
}

// newRecord publishes a record with a part.
func newRecord(e *estate.Estate, kind uint64, part any) (*estate.Record, error) {
	r, err := e.NewRecord()
	if err != nil {
		return nil, err
	}
	if err := writePart(r, part); err != nil {
		r.Free()
		return nil, err
	}
	r.Publish(kind)
	return r, nil
}

// lump copies bytes into the estate.
func (k *kept) lump(b []byte) (lump, error) {
	if len(b) == 0 {
		return lump{}, nil
	}
	p, place := k.estate.Take(len(b))
	if p == nil {
		return lump{}, estate.ErrFull
	}
	copy(p, b)
	u := lump{place, len(b)}
	k.lumps = append(k.lumps, u)
	return u, nil
}

func (k *kept) give(lumps []lump) {
	for _, u := range lumps {
		k.estate.Give(u.Place)
	}
}

// unkeep gives the record of a leg up.
func (l *leg) unkeep() {
	if k := l.kept; k != nil {
		l.kept = nil
		l.sock.keepIn(nil)
		k.free()
	}
}

func (k *kept) free() {
	k.record.Free()
	k.give(k.lumps)
}

// onConn calls f with the descriptor of a connection or a file.
func onConn(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) { err = f(int(fd)) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// keepIn says where the socket's cookie is kept; nil: nowhere any more.
func (s *socket) keepIn(r *estate.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record = r; r != nil {
		r.Word(wordCookie).Store(s.cookie)
	}
}

// identify notes the cookie of the program's socket, which has just been accepted as fd: ours until the program has it.
func (s *socket) identify(cookie uint64, fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cookie = cookie
	if s.record != nil {
		s.record.Word(wordAccepted).Store(uint64(fd) + 1)
		s.record.Word(wordCall).Store(0)
		s.record.Word(wordCookie).Store(cookie)
	}
}

// handing notes that the accepted socket is about to be the answer to a call; 0: to none.
func (s *socket) handing(call uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record != nil {
		s.record.Word(wordCall).Store(call)
	}
}

// handed notes that the program has the accepted socket.
func (s *socket) handed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record != nil {
		s.record.Word(wordAccepted).Store(0)
	}
}

// Estate makes an estate one for rocks.
func Estate(e *estate.Estate) rocks.Estate { return memory{e} }

type memory struct{ *estate.Estate }

func (m memory) NewRecord() (rocks.Record, error) {
	r, err := m.Estate.NewRecord()
	if err != nil {
		return nil, err // not a Record that holds nil
	}
	return r, nil
}
