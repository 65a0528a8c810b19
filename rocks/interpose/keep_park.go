package interpose

import (
	"rock/rocks/estate"
)

// keptPark is what is kept of a leg that is parked. What is drained from it is kept before the kernel forgets it; how much
// of that it has forgotten shows from its counters.
type keptPark struct {
	Drained lump   `msgpack:"drained"` // taken out of our end
	Back    lump   `msgpack:"back"`    // taken out of the program's socket again
	BackAt  uint64 `msgpack:"back_at"` // position of that before (position.taken)
	Place   Place  `msgpack:"place"`   // of the program's socket, if a process has it open

	// All was drained, and the two ends are about to be taken apart, or are.
	Apart   bool `msgpack:"apart"`
	NoRead  bool `msgpack:"no_read"`
	PeerFIN bool `msgpack:"peer_fin"`
}

// keepParked writes down that a leg is at rest and about to be drained. program is a duplicate of the program's socket, -1 if no
// process has it open.
func (p *parked) keepParked(ip *Interposer, program int) {
	l := p.leg
	ip.keep(l) // as it is now
	if l.kept == nil {
		return
	}
	var at position
	var err error
	if program >= 0 {
		at, err = positionOf(program)
	}
	if err == nil {
		l.kept.part.Parked = &keptPark{BackAt: at.taken, Place: p.place}
		err = l.kept.write()
	}
	p.kept(ip, err)
}

// kept gives the record up if it is not true any more because of err. To park the leg is more important.
func (p *parked) kept(ip *Interposer, err error) {
	if err != nil {
		ip.log.Warn("the connection would not survive this process", "remote", p.leg.sock.remote, "error", err)
		p.leg.unkeep()
	}
}

// keepApart writes down that the leg is about to be taken apart.
func (p *parked) keepApart(ip *Interposer) {
	if k := p.leg.kept; k != nil {
		park := k.part.Parked
		park.Apart, park.NoRead, park.PeerFIN = true, p.noRead, p.leg.peerFIN
		k.part.FinDue = p.leg.finDue
		p.kept(ip, k.write())
	}
}

// keepRecalled writes down that the bytes of a rock that the program has not accepted are back in the line, and the leg is about to be
// discarded. The record goes to the delivery.
func (d *delivery) keepRecalled(ip *Interposer, l *leg) {
	k := l.kept
	if k == nil {
		return
	}
	k.part = keptLeg{Rock: k.part.Rock, Role: k.part.Role, Inner: -1, Listener: l.listener, Family: k.part.Family,
		Local: k.part.Local, Remote: k.part.Remote, Parked: &keptPark{Apart: true, PeerFIN: l.peerFIN}}
	if err := k.replace(nil, l.toProgram); err != nil {
		ip.log.Warn("the connection would not survive this process", "remote", d.remote, "error", err)
		l.unkeep()
		return
	}
	l.sock.keepIn(nil)
	l.kept, d.kept = nil, k
}

// saver returns what keeps bytes before they are taken from a socket, in the lump that which chooses. It returns nil if nothing is
// kept.
func (p *parked) saver(ip *Interposer, which func(*keptPark) *lump) func([]byte) {
	if p.leg.kept == nil {
		return nil
	}
	var piece []byte
	return func(b []byte) {
		k := p.leg.kept
		if k == nil {
			return // it was given up
		}
		u := which(k.part.Parked)
		if u.Len+len(b) > len(piece) {
			larger, place := k.estate.Take(2 * (u.Len + len(b)))
			if larger == nil {
				p.kept(ip, estate.ErrFull)
				return
			}
			copy(larger, piece[:u.Len])
			piece, u.Place = larger, place
			k.lumps = append(k.lumps, lump{Place: place})
		}
		copy(piece[u.Len:], b)
		u.Len += len(b)
		p.kept(ip, k.write())
	}
}

func drainedLump(p *keptPark) *lump { return &p.Drained }
func backLump(p *keptPark) *lump    { return &p.Back }
