package rocks

import (
	"context"
	"net"
	"slices"
	"time"

	"rock/rocks/rendezvous"
	"rock/rocks/wire"
)

// Rendezvous is where two ends that have lost each other leave word of where they are; a [rendezvous.Client] is one.
type Rendezvous interface {
	// Exchange leaves records and returns those of others that were found.
	Exchange(ctx context.Context, leave []rendezvous.Record, seek []rendezvous.Name) ([]rendezvous.Record, error)
	// Join waits until the other end joins too, and returns a connection to it through the server.
	Join(ctx context.Context, own rendezvous.Identity, other rendezvous.Name) (net.Conn, error)
}

// Timing of the way over a rendezvous. Mostly both ends find each other before the first visit.
const (
	meetAfter  = 400 * time.Millisecond // without a link
	meetEvery  = time.Second
	meetRarely = 15 * time.Second // after patience
	joinAfter  = 3 * time.Second  // without a link
	maxJoins   = 16               // at once
	lifeOfWord = 10 * time.Minute
)

// meeting goes to the rendezvous for the rocks that have no link. It belongs to one goroutine.
type meeting struct {
	e     *Endpoint
	dates map[*Conn]*date
	joins chan struct{} // one for each that is under way
}

// date is what a rock without a link has with the rendezvous.
type date struct {
	own      rendezvous.Identity
	other    rendezvous.Name
	left     wire.Addresses // where it is, as it has left word
	leftAt   time.Time
	sequence uint64
	seen     uint64             // of the peer's word that was followed
	joining  context.CancelFunc // nil: it is not
}

// meetSoon has rocks without a link go to the rendezvous.
func (e *Endpoint) meetSoon() {
	select {
	case e.lonely <- struct{}{}:
	default:
	}
}

// meet is the goroutine that goes there, until the Endpoint closes.
func (e *Endpoint) meet() {
	m := &meeting{e: e, dates: map[*Conn]*date{}, joins: make(chan struct{}, maxJoins)}
	defer m.part(nil)
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.lonely:
			sleep(e.ctx, meetAfter) // what is new may be over soon
		}
		for began := time.Now(); ; {
			list := m.without()
			m.part(list)
			if len(list) == 0 {
				break
			}
			m.visit(list)
			if !m.pause(began) {
				return
			}
		}
	}
}

// pause waits until the next visit is due, and says whether there is one.
func (m *meeting) pause(began time.Time) bool {
	every := meetEvery
	if time.Since(began) > patience {
		every = meetRarely
	}
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-m.e.ctx.Done():
		return false
	case <-m.e.lonely:
		sleep(m.e.ctx, meetAfter)
	case <-t.C:
	}
	return true
}

// without returns the rocks that have no link.
func (m *meeting) without() []*Conn {
	return slices.DeleteFunc(m.e.conns(), func(c *Conn) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.phase != suspended || c.sealed
	})
}

// part ends what is under way for rocks that are not in the list.
func (m *meeting) part(list []*Conn) {
	still := make(map[*Conn]bool, len(list))
	for _, c := range list {
		still[c] = true
	}
	for c, d := range m.dates {
		if still[c] {
			continue
		}
		if d.joining != nil {
			d.joining()
		}
		delete(m.dates, c)
	}
}

// visit leaves word for those in the list and reads what there is for them.
func (m *meeting) visit(list []*Conn) {
	here := m.e.addresses()
	var leave []rendezvous.Record
	var seek []rendezvous.Name
	names := map[rendezvous.Name]*Conn{}
	for _, c := range list {
		d := m.date(c)
		if r, due := d.word(here, time.Now()); due {
			leave = append(leave, r)
		}
		names[d.other] = c
		seek = append(seek, d.other)
		m.join(c, d)
	}
	found, err := m.exchange(leave, seek)
	if err != nil {
		m.e.log.Debug("rendezvous", "err", err)
		for _, d := range m.dates {
			d.leftAt = time.Time{} // so far as we know
		}
	}
	for _, r := range found {
		c := names[r.Name()]
		if d := m.dates[c]; r.Sequence > d.seen {
			d.seen = r.Sequence
			c.hint(r.Where.AddrPorts(), "peer has left word")
		}
	}
}

// exchange does it, and gives it up when the network changes: its packets may have gone the old way, and the kernel repeats
// them ever more slowly.
func (m *meeting) exchange(leave []rendezvous.Record, seek []rendezvous.Name) (found []rendezvous.Record, err error) {
	ctx, cancel := context.WithTimeout(m.e.ctx, m.e.cfg.HandshakeTimeout)
	defer cancel()
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		found, err = m.e.cfg.Rendezvous.Exchange(ctx, leave, seek)
	}()
	for {
		select {
		case <-done:
			return found, err
		case <-m.e.lonely:
			defer m.e.meetSoon()
			if time.Since(began) > staleAttempt {
				cancel()
			}
		}
	}
}

func (m *meeting) date(c *Conn) *date {
	d := m.dates[c]
	if d == nil {
		own, other := c.keys.Client, c.keys.Server
		if c.role == wire.RoleServer {
			own, other = other, own
		}
		d = &date{own: rendezvous.NewIdentity(own), other: rendezvous.NewIdentity(other).Name()}
		m.dates[c] = d
	}
	return d
}

// word returns the record to be left, if the last one is not good any more. It may be that it was not taken, or is forgotten: so it
// is left anew before it has to be.
func (d *date) word(here wire.Addresses, now time.Time) (r rendezvous.Record, due bool) {
	same := d.left.Port == here.Port && slices.Equal(d.left.Addrs, here.Addrs)
	if len(here.Addrs) == 0 || same && now.Sub(d.leftAt) < meetRarely {
		return r, false
	}
	d.sequence = max(d.sequence+1, uint64(now.UnixMilli()))
	d.left, d.leftAt = here, now
	return d.own.Record(d.sequence, lifeOfWord, here), true
}
