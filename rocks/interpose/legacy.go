package interpose

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"rock/rocks"
	"rock/rocks/estate"
	"rock/rocks/wire"
)

// Legacy is what the supervisor of a group that has died has left in its estate, of what belongs to this package and to rocks.
type Legacy struct {
	estate    *estate.Estate
	rocks     map[rockEnd]*rocks.Salvage
	legs      []*leftLeg
	listeners []*keptListener
	dials     []*keptDial
}

// rockEnd names an end of a rock: a group may have both.
type rockEnd struct {
	id   wire.ID
	role wire.Role
}

// leftLeg is a leg of it.
type leftLeg struct {
	keptLeg
	cookie   uint64 // of the program's socket; 0: it was not accepted yet
	accepted int    // our descriptor of it if it was accepted and the program may not have it; else -1
	call     uint64 // that it was to be the answer to, 0 for none yet
}

func (l *leftLeg) end() rockEnd { return rockEnd{wire.ID(l.Rock), l.Role} }

// ReadLegacy reads an estate, of which nothing else may be left: who has made it has died.
func ReadLegacy(e *estate.Estate) (*Legacy, error) {
	g := &Legacy{estate: e, rocks: map[rockEnd]*rocks.Salvage{}}
	for r, kind := range e.Records() {
		if err := g.read(r, kind); err != nil {
			return nil, fmt.Errorf("read what the supervisor has left: %w", err)
		}
	}
	return g, nil
}

func (g *Legacy) read(r *estate.Record, kind uint64) error {
	part, err := r.Read()
	if err != nil {
		return err
	}
	switch kind {
	case rocks.RecordKind:
		s, err := rocks.OpenRecord(r.Word, part)
		if err != nil {
			return err
		}
		g.rocks[rockEnd{s.ID(), s.Role()}] = s
	case legRecord:
		l := &leftLeg{cookie: r.Word(wordCookie).Load(), accepted: int(r.Word(wordAccepted).Load()) - 1, call: r.Word(wordCall).Load()}
		if err := msgpack.Unmarshal(part, &l.keptLeg); err != nil {
			return fmt.Errorf("leg: %w", err)
		}
		if len(l.Rock) != len(wire.ID{}) {
			return fmt.Errorf("leg: the id of its rock has %d bytes", len(l.Rock))
		}
		g.legs = append(g.legs, l)
	case listenerRecord:
		l := new(keptListener)
		if err := msgpack.Unmarshal(part, l); err != nil {
			return fmt.Errorf("listener: %w", err)
		}
		g.listeners = append(g.listeners, l)
	case dialRecord:
		d := new(keptDial)
		if err := msgpack.Unmarshal(part, d); err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		g.dials = append(g.dials, d)
	default:
		if kind < OthersRecords {
			return fmt.Errorf("a record of kind %d", kind)
		}
	}
	return nil
}

// Descriptors are those of the supervisor's that Inherit takes over. All of them belong to it from then on.
func (g *Legacy) Descriptors() []int {
	var fds []int
	for _, l := range g.legs {
		fds = append(fds, l.Inner)
		if l.accepted >= 0 {
			fds = append(fds, l.accepted)
		}
	}
	for _, l := range g.listeners {
		fds = append(fds, l.Public)
	}
	for _, d := range g.dials {
		fds = append(fds, d.Program, d.Listener, d.Filler)
	}
	return fds
}

// bytes returns what is in a lump.
func (g *Legacy) bytes(u lump) ([]byte, error) {
	if u.Len == 0 {
		return nil, nil
	}
	b, err := g.estate.Piece(u.Place)
	if err != nil {
		return nil, err
	}
	if u.Len < 0 || u.Len > len(b) {
		return nil, fmt.Errorf("%d bytes in a piece of %d", u.Len, len(b))
	}
	return append([]byte(nil), b[:u.Len]...), nil
}

// standing is where a leg and its rock stood when the supervisor died.
type standing struct {
	cargo
	written, read uint64 // by the program, of the rock
	left          bool   // the program's end has been passed to the rock
}

// stand finds that out from what was kept when the leg began to carry, what the rock has noted since, and what the kernel
// says of our end.
func (g *Legacy) stand(l *leftLeg, s *rocks.Salvage, at position) (standing, error) {
	toPeer, err := g.bytes(l.ToPeer)
	if err != nil {
		return standing{}, fmt.Errorf("cargo of a leg: %w", err)
	}
	toProgram, err := g.bytes(l.ToProg)
	if err != nil {
		return standing{}, fmt.Errorf("cargo of a leg: %w", err)
	}
	st := standing{written: s.Written(), read: s.Read(), left: s.FinSent()}
	sent, taken := at.sent-l.Sent, at.taken-l.Taken
	if at.reset { // what is under way is lost anyway, and the kernel may have forgotten
		return st, nil
	}
	if given := st.written - l.Written; given < uint64(len(toPeer)) {
		st.toPeer = toPeer[given:]
	} else {
		st.written = max(st.written, l.Written+uint64(len(toPeer))+taken)
	}
	st.finDue = l.FinDue && !st.left
	if sent < uint64(len(toProgram)) {
		st.toProgram = toProgram[sent:]
	} else {
		st.read = max(st.read, l.Read+sent-uint64(len(toProgram)))
	}
	st.peerFIN = at.ended
	return st, nil
}
