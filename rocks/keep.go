package rocks

import (
	"sync/atomic"
	"time"

	"rock/rocks/flight"
	"rock/rocks/wire"
)

// Estate is memory that outlives the process. What a rock has in it is true at every moment, so should the process die, at whatever
// moment, another one can go on with the rock: see [OpenRecord]. Package estate is one.
type Estate interface {
	flight.Memory
	NewRecord() (Record, error)
}

// Record is a place in an Estate for what belongs to one rock. One goroutine uses it at a time.
type Record interface {
	Word(i int) *atomic.Uint64 // of at least 9, zero at first
	Write(part []byte) error   // replaces the part, as a whole or not at all
	Publish(kind uint64)       // makes the record visible
	Free()                     // makes it invisible, and free for another use
}

// RecordKind is what the records of rocks are published as.
const RecordKind = 1

// The words of a record.
const (
	wordFlight = 0 // four words: where the flight log is
	wordInput  = 4 // and the receive buffer
	wordFlags  = 8
)

// The flags of a record: how the rock stands.
const (
	keptFinSent uint64 = 1 << iota
	keptFinAcked
	keptFinReceived
	keptReadClosed
	keptDone
	keptResetDue   // the peer is to be told of a reset
	keptWasReset   // the program is to be told of one
	keptLinked     // it had a link
	keptEnded      // it has ended in order; only what the program has not read yet is left
	keptEndedByErr // it has ended by an error
)

// traceAt returns the words from i on as a trace.
func traceAt(word func(i int) *atomic.Uint64, i int) flight.Trace {
	return flight.Trace{Place: word(i), Origin: word(i + 1), Start: word(i + 2), End: word(i + 3)}
}

// openRecord takes a record for the rock, if there is an estate. Without one the rock ends with the process.
func (c *Conn) openRecord() {
	if c.e.cfg.Estate == nil {
		return
	}
	r, err := c.e.cfg.Estate.NewRecord()
	if err != nil {
		c.logger.Warn("the rock would not survive this process", "error", err)
		return
	}
	c.record = r
}

// newRing returns a ring that is kept if the rock has a record, in the words from word on.
func (c *Conn) newRing(offset uint64, limit, word int) *flight.Ring {
	if c.record == nil {
		return flight.New(offset, limit)
	}
	return flight.NewKept(offset, limit, c.e.cfg.Estate, traceAt(c.record.Word, word))
}

// keepLocked writes everything about the rock into its record, except for what noteLocked and the rings do. It is called before the
// peer can know of a change.
func (c *Conn) keepLocked() {
	if c.record == nil || c.phase == closed {
		return
	}
	b, err := c.headLocked().MarshalBinary()
	if err == nil {
		err = c.record.Write(b)
	}
	if err != nil {
		c.logger.Warn("the rock would not survive this process", "error", err)
		c.freeRecordLocked()
		return
	}
	c.noteLocked()
	if !c.published {
		c.published = true
		c.record.Publish(RecordKind)
	}
}

// headLocked returns the rock as a State, with neither bytes nor offsets.
func (c *Conn) headLocked() *State {
	st := c.identityLocked()
	if c.suspendedAt.IsZero() {
		st.Suspended = time.Now().UTC().Round(0)
	}
	return st
}

// noteLocked keeps how the rock stands. It is called after each change of that, before the peer can know.
func (c *Conn) noteLocked() {
	if c.record == nil {
		return
	}
	var f uint64
	for _, is := range [...]struct {
		so   bool
		flag uint64
	}{
		{c.finSent, keptFinSent}, {c.finAcked, keptFinAcked}, {c.finReceived, keptFinReceived}, {c.readClosed, keptReadClosed},
		{c.done, keptDone}, {c.reset != wire.ResetDone, keptResetDue}, {c.wasReset, keptWasReset}, {c.link != nil, keptLinked},
		{c.phase == closed && c.err == nil, keptEnded}, {c.phase == closed && c.err != nil, keptEndedByErr},
	} {
		if is.so {
			f |= is.flag
		}
	}
	c.record.Word(wordFlags).Store(f)
	if c.phase == closed && (c.done || c.in.Len() == 0) {
		c.freeRecordLocked()
	}
}

// freeRecordLocked gives the record up: nothing is left of the rock, or it cannot be kept.
func (c *Conn) freeRecordLocked() {
	if c.record == nil {
		return
	}
	for _, r := range [...]*flight.Ring{c.log, c.in} {
		r.Forget()
		if r.Len() == 0 {
			r.Clear()
		}
	}
	c.record.Free()
	c.record = nil
}
