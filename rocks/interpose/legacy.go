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

	rejoined *rejoined // nil if it was not parked
	failed   error     // why it could not be put together again
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
		if l.Inner >= 0 {
			fds = append(fds, l.Inner)
		}
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
