package rocks_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rock/rocks"
)

// strongbox is an Estate in memory, with one record more than there are rocks at most.
type strongbox struct {
	mu      sync.Mutex
	next    uint64
	pieces  map[uint64][]byte
	records map[*strongRecord]bool // those that are published
}

func newStrongbox() *strongbox {
	return &strongbox{pieces: map[uint64][]byte{}, records: map[*strongRecord]bool{}}
}

func (s *strongbox) Take(size int) ([]byte, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.pieces[s.next] = make([]byte, size)
	return s.pieces[s.next], s.next
}

// Give spoils the piece, for whoever still uses it.
func (s *strongbox) Give(place uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pieces[place]
	for i := range b {
		b[i] ^= 0xff
	}
	delete(s.pieces, place)
}

func (s *strongbox) piece(place uint64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.pieces[place]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("no piece %d", place)
}

func (s *strongbox) NewRecord() (rocks.Record, error) { return &strongRecord{box: s}, nil }

// salvage reads the record of a rock's end as an heir does.
func (s *strongbox) salvage(c *rocks.Conn) (*rocks.Salvage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.records {
		v, err := rocks.OpenRecord(r.Word, r.part)
		if err != nil {
			return nil, err
		}
		if v.ID() == c.ID() && v.Role() == c.Role() {
			return v, nil
		}
	}
	return nil, errors.New("the rock has no record")
}

type strongRecord struct {
	box   *strongbox
	words [9]atomic.Uint64
	part  []byte
}

func (r *strongRecord) Word(i int) *atomic.Uint64 { return &r.words[i] }

func (r *strongRecord) Write(part []byte) error {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	r.part = part
	return nil
}

func (r *strongRecord) Publish(uint64) {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	r.box.records[r] = true
}

func (r *strongRecord) Free() {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	delete(r.box.records, r)
}

// traveller is one end of a rock that goes on in other Conns, which its program does not notice.
type traveller struct {
	w   *world
	box *strongbox
	on  *rocks.Endpoint

	mu       sync.Mutex
	settled  *sync.Cond
	conn     *rocks.Conn
	changing bool
}

func newTraveller(w *world, box *strongbox, on *rocks.Endpoint, c *rocks.Conn) *traveller {
	t := &traveller{w: w, box: box, on: on, conn: c}
	t.settled = sync.NewCond(&t.mu)
	return t
}

// current returns the Conn of now.
func (t *traveller) current() *rocks.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.changing {
		t.settled.Wait()
	}
	return t.conn
}

// again reports whether an error only says that the rock goes on in another Conn.
func again(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, rocks.ErrExported)
}

func (t *traveller) Read(p []byte) (int, error) {
	for {
		if n, err := t.current().Read(p); n > 0 || !again(err) {
			return n, err
		}
	}
}

func (t *traveller) Write(p []byte) (int, error) {
	for done := 0; ; {
		n, err := t.current().Write(p[done:])
		if done += n; !again(err) {
			return done, err
		}
	}
}

func (t *traveller) CloseWrite() error { return t.finally((*rocks.Conn).CloseWrite) }
func (t *traveller) Close() error      { return t.finally((*rocks.Conn).Close) }

func (t *traveller) finally(f func(*rocks.Conn) error) error {
	for {
		if err := f(t.current()); !again(err) {
			return err
		}
	}
}

// move brings the rock to rest, has next tell as what it goes on, and goes on with that.
func (t *traveller) move(next func(c *rocks.Conn, sealed *rocks.State) (*rocks.State, error), to *rocks.Endpoint) error {
	c := t.current()
	t.mu.Lock()
	t.changing = true
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.changing = false
		t.mu.Unlock()
		t.settled.Broadcast()
	}()
	if err := c.SetDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	sealed, err := c.Seal(t.w.t.Context())
	if err != nil {
		if c.Info().State == "closed" {
			return errors.Join(c.SetDeadline(time.Time{})) // both texts have arrived
		}
		return err
	}
	st, err := next(c, sealed)
	if err != nil {
		return err
	}
	c.Yield()
	if to != t.on {
		t.on.Forward(st, to.Addresses()) // the peer may move at the same time
	}
	if t.conn, err = to.Resume(t.w.t.Context(), st); err == nil {
		t.on = to
	}
	return err
}

// die goes on with what the record of the rock says, as an heir of a process that has died does.
func (t *traveller) die() error {
	return t.move(func(c *rocks.Conn, sealed *rocks.State) (*rocks.State, error) {
		s, err := t.box.salvage(c)
		if err != nil {
			return nil, err
		}
		st, err := s.State(0, 0, t.box.piece)
		if err == nil && (!bytes.Equal(st.Flight, sealed.Flight) || !bytes.Equal(st.Input, sealed.Input) || st.Acked != sealed.Acked || st.Consumed != sealed.Consumed) {
			err = fmt.Errorf("the record says %d..%d and %d..%d, the rock %d..%d and %d..%d", st.Acked, st.Sent, st.Consumed, st.Received,
				sealed.Acked, sealed.Sent, sealed.Consumed, sealed.Received)
		}
		return st, err
	}, t.on)
}

// export goes on with the rock's State, on another endpoint if that is given.
func (t *traveller) export(to *rocks.Endpoint) error {
	if to == nil {
		to = t.on
	}
	return t.move(func(_ *rocks.Conn, sealed *rocks.State) (*rocks.State, error) { return sealed, nil }, to)
}

// TestRandomTravels is TestRandomSchedules with ends that go on in another Conn, in the place of a process that died, or on
// another host, while the network is troubled too.
func TestRandomTravels(t *testing.T) {
	tests := map[string]func(w *world, rng *rand.Rand, ends []*traveller) error{
		"process dies": func(_ *world, rng *rand.Rand, ends []*traveller) error {
			return ends[rng.IntN(2)].die()
		},
		"both die": func(_ *world, rng *rand.Rand, ends []*traveller) error {
			return errors.Join(ends[0].die(), ends[1].die())
		},
		"checkpoint": func(_ *world, rng *rand.Rand, ends []*traveller) error {
			return ends[rng.IntN(2)].export(nil)
		},
		"to another host": func(w *world, rng *rand.Rand, ends []*traveller) error {
			h := w.net.Host(fmt.Sprintf("h%d", len(w.extra)), fmt.Sprintf("10.0.3.%d", len(w.extra)+1))
			return ends[rng.IntN(2)].export(w.another(h, rocks.Config{Estate: ends[0].box}))
		},
	}
	for name, travel := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSeed(t, func(seed uint64) { runTravel(t, seed, travel) })
		})
	}
}

func runTravel(t *testing.T, seed uint64, travel func(*world, *rand.Rand, []*traveller) error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	box := newStrongbox()
	p := plan{config: rocks.Config{
		Estate: box, FlightLimit: []int{0, 1000, 50_000}[rng.IntN(3)], ReceiveLimit: []int{0, 700, 30_000}[rng.IntN(3)],
	}}
	p.net.Seed, p.net.Latency = seed, time.Duration(1+rng.IntN(60))*time.Millisecond
	n := 1000 + rng.IntN(100_000)
	if p.config.FlightLimit == 1000 || p.config.ReceiveLimit == 700 {
		n /= 4
	}
	inWorld(t, p, func(t *testing.T, w *world) {
		c, s := w.dial()
		ends := []*traveller{newTraveller(w, box, w.client, c), newTraveller(w, box, w.server, s)}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for range 5 {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rng.Int64N(int64(2 * time.Second)))):
				}
				if rng.IntN(3) == 0 {
					w.net.Path(w.a, w.b).Reset()
				}
				if err := travel(w, rng, ends); err != nil {
					t.Errorf("travel: %v", err)
					return
				}
			}
		}()
		w.within(30*time.Minute, "texts", func() error { return exchangeTexts(ends[0], ends[1], n, seed) })
		close(stop)
		<-stopped
		for _, end := range ends {
			if err := end.Close(); err != nil {
				t.Error(err)
			}
		}
		w.ended(10 * time.Minute)
	})
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.records) > 0 {
		t.Errorf("%d records are left of rocks that have ended", len(box.records))
	}
}
