package rocks

import (
	"fmt"
	"sync/atomic"
	"time"

	"rock/rocks/flight"
	"rock/rocks/wire"
)

// Salvage is a rock of a process that has died, as its record has it.
type Salvage struct {
	head   State
	flags  uint64
	flight flight.Trace
	input  flight.Trace
}

// OpenRecord reads a record that was published as RecordKind. word and part are those of the record, of the dead process's [Estate].
func OpenRecord(word func(i int) *atomic.Uint64, part []byte) (*Salvage, error) {
	s := &Salvage{flags: word(wordFlags).Load(), flight: traceAt(word, wordFlight), input: traceAt(word, wordInput)}
	if err := s.head.UnmarshalBinary(part); err != nil {
		return nil, fmt.Errorf("read the record of a rock: %w", err)
	}
	return s, nil
}

// ID names the rock, together with its Role.
func (s *Salvage) ID() wire.ID { return s.head.ID }

// Role is which end of the rock it is.
func (s *Salvage) Role() wire.Role { return s.head.Role }

// Written is how many bytes of the program's are certainly in the flight log, or were acknowledged. There may be more
// behind: what a ReadFrom had just read.
func (s *Salvage) Written() uint64 { return s.flight.End.Load() }

// Read is how many bytes of the peer's certainly were read. It may have been more: what a WriteTo had just written.
func (s *Salvage) Read() uint64 { return s.input.Start.Load() }

// Received is how many bytes of the peer's certainly came.
func (s *Salvage) Received() uint64 { return max(s.input.End.Load(), s.Read()) }

// FinSent says that the program's bytes have ended.
func (s *Salvage) FinSent() bool { return s.flags&keptFinSent != 0 }

// Ended says that the rock has ended and only input is left that the program has not read; and whether the program meets an error behind
// that.
func (s *Salvage) Ended() (ended, err bool) {
	return s.flags&(keptEnded|keptEndedByErr) != 0, s.flags&keptEndedByErr != 0
}

// salvageEpochs is by how much a salvaged rock is ahead of what its process had: of what it may have said, and of a State that it
// may have exported and taken back ([Conn.Unseal]).
const salvageEpochs = sealEpochs

// State returns the rock with everything in it, to go on with it. The caller knows how much was really written by the program, at least
// Written, and read, at least Read; piece returns what is at a place of the Estate.
func (s *Salvage) State(written, read uint64, piece func(place uint64) ([]byte, error)) (*State, error) {
	st := s.head
	st.Epoch += salvageEpochs
	has := func(f uint64) bool { return s.flags&f != 0 }
	st.FinSent, st.FinAcked, st.FinReceived = has(keptFinSent), has(keptFinAcked), has(keptFinReceived)
	st.ReadClosed, st.Closed, st.ResetPending, st.ResetReceived = has(keptReadClosed), has(keptDone), has(keptResetDue), has(keptWasReset)
	if has(keptLinked) {
		st.Suspended = time.Now().UTC().Round(0)
	}
	var err error
	st.Acked, st.Sent = s.flight.Start.Load(), max(written, s.Written())
	if st.ResetPending || st.ResetReceived {
		st.Acked = st.Sent // the flight log is not needed any more
	}
	if st.Flight, err = flight.Salvage(s.flight, st.Acked, st.Sent, piece); err != nil {
		return nil, fmt.Errorf("flight log of rock %v: %w", st.ID, err)
	}
	st.Consumed = max(read, s.Read())
	st.Received = max(s.Received(), st.Consumed)
	if st.Input, err = flight.Salvage(s.input, st.Consumed, st.Received, piece); err != nil {
		return nil, fmt.Errorf("input of rock %v: %w", st.ID, err)
	}
	st.Credit, st.Granted = st.Acked, st.Received
	st.FinAcked = st.FinAcked && len(st.Flight) == 0
	return &st, st.Validate()
}

// ResetState returns the rock as one that is to be reset: what is in it is lost, and the peer is to be told.
func (s *Salvage) ResetState() (*State, error) {
	st := s.head
	st.Epoch += salvageEpochs
	st.Acked, st.Credit = s.Written(), s.Written()
	st.Sent = st.Acked
	st.Received = s.Received()
	st.Consumed, st.Granted = st.Received, st.Received
	st.Closed, st.ResetPending = true, true
	st.Suspended = time.Now().UTC().Round(0)
	return &st, st.Validate()
}
