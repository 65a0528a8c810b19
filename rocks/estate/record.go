package estate

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sync/atomic"
)

const (
	recordSize = 16 << 10
	slotsAt    = 128 // behind the words
	slotSize   = (recordSize - slotsAt) / 2
	words      = 14 // of a record, for its owner

	kindWord = 14 // what it is, 0 while it is not used
	slotWord = 15 // which slot is good
)

// MaxPart is how long the part of a record may be, in bytes.
const MaxPart = slotSize - 4

// A Record is what is kept of one thing. One goroutine may use it at a time.
type Record struct {
	e  *Estate
	no int
	at int
}

// NewRecord returns a record that no heir sees yet: see Publish. Its words are zero and its part is empty.
func (e *Estate) NewRecord() (*Record, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	no := e.next
	if n := len(e.free); n > 0 {
		no = e.free[n-1]
		e.free = e.free[:n-1]
	} else if e.next++; no >= maxRecords {
		e.next--
		return nil, ErrFull
	}
	r := e.record(no)
	for i := range words {
		r.Word(i).Store(0)
	}
	r.setSlot(nil, 0)
	return r, nil
}

func (e *Estate) record(no int) *Record {
	return &Record{e: e, no: no, at: recordsAt + no*recordSize}
}

// Records returns those that were published, with what kind they are.
func (e *Estate) Records() iter.Seq2[*Record, uint64] {
	return func(yield func(*Record, uint64) bool) {
		for no := range maxRecords {
			r := e.record(no)
			if !r.used() {
				return
			}
			if k := r.word(kindWord).Load(); k != 0 && !yield(r, k) {
				return
			}
		}
	}
}

// used says that the record was used at some time: then a slot of it was chosen.
func (r *Record) used() bool { return r.word(slotWord).Load() != 0 }

// Word is a word of the record, of 14.
func (r *Record) Word(i int) *atomic.Uint64 {
	if i >= words {
		panic("estate: no such word of a record")
	}
	return r.word(i)
}

func (r *Record) word(i int) *atomic.Uint64 { return r.e.word(r.at + 8*i) }

// Publish lets an heir see the record. kind is not 0.
func (r *Record) Publish(kind uint64) { r.word(kindWord).Store(kind) }

// Free gives the record up.
func (r *Record) Free() {
	r.word(kindWord).Store(0)
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	r.e.free = append(r.e.free, r.no)
}

// Write replaces the part of the record. An heir sees the old one or the new one.
func (r *Record) Write(b []byte) error {
	if len(b) > MaxPart {
		return fmt.Errorf("keep %d bytes in a record: %w", len(b), ErrFull)
	}
	r.setSlot(b, r.word(slotWord).Load()%2+1)
	return nil
}

// setSlot writes into slot 1 or 2 and makes it the good one; 0 stands for 1.
func (r *Record) setSlot(b []byte, slot uint64) {
	slot = max(slot, 1)
	s := r.slot(slot)
	binary.NativeEndian.PutUint32(s, uint32(len(b)))
	copy(s[4:], b)
	r.word(slotWord).Store(slot)
}

func (r *Record) slot(i uint64) []byte {
	at := r.at + slotsAt + int(i-1)*slotSize
	return r.e.mem[at : at+slotSize]
}

// Read returns the part of the record. It must not be changed, and is good until the next Write but one.
func (r *Record) Read() ([]byte, error) {
	i := r.word(slotWord).Load()
	if i < 1 || i > 2 {
		return nil, fmt.Errorf("read record %d: slot %d", r.no, i)
	}
	s := r.slot(i)
	n := binary.NativeEndian.Uint32(s)
	if n > MaxPart {
		return nil, fmt.Errorf("read record %d: its part has %d bytes", r.no, n)
	}
	return s[4 : 4+n], nil
}
