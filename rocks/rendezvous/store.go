package rendezvous

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Store keeps records. Its methods are called concurrently; they may fail, and may be slow. What is stored is opaque to it.
type Store interface {
	// Put keeps a value under a name until a time, unless one with the same sequence or a higher one is there (ErrOld). ErrFull
	// says that there is no room for another name.
	Put(ctx context.Context, name Name, sequence uint64, value []byte, until time.Time) error
	// Get returns what is there, nil for nothing, and until when.
	Get(ctx context.Context, name Name) (value []byte, until time.Time, err error)
}

var (
	// ErrOld says that a newer record is there.
	ErrOld = errors.New("there is newer word")
	// ErrFull says that there is no room.
	ErrFull = errors.New("no room for another name")
)

// Item is what a Store keeps under a name.
type Item struct {
	Sequence uint64
	Until    time.Time // it is worth nothing from then on
	Value    []byte
}

// Stands says whether a new item with a sequence may not replace it.
func (i Item) Stands(sequence uint64) bool {
	return i.Until.After(time.Now()) && i.Sequence >= sequence
}

const itemHeader = 16

// Encode returns it in a form for stores that keep bytes: sequence (8), until, in milliseconds since 1970 (8), value. The most significant
// byte comes first.
func (i Item) Encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, i.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(i.Until.UnixMilli()))
	return append(b, i.Value...)
}

// DecodeItem is the inverse of Encode; Value is a part of b. What is too short is an item that has expired.
func DecodeItem(b []byte) Item {
	if len(b) < itemHeader {
		return Item{}
	}
	return Item{binary.BigEndian.Uint64(b), time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:]))), b[itemHeader:]}
}

// Memory is a Store that forgets everything with its process.
type Memory struct {
	most int

	mu    sync.Mutex
	items map[Name]Item
	swept time.Time
}

// sweepEvery is how often what has expired is looked for, if there is room.
const sweepEvery = time.Minute

// NewMemory returns a Memory for so many names.
func NewMemory(most int) *Memory { return &Memory{most: most, items: map[Name]Item{}} }

// Put implements Store.
func (m *Memory) Put(_ context.Context, name Name, sequence uint64, value []byte, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.swept) > sweepEvery || len(m.items) >= m.most && now.Sub(m.swept) > time.Second {
		m.sweep(now)
	}
	old, there := m.items[name]
	switch {
	case there && old.Stands(sequence):
		return ErrOld
	case !there && len(m.items) >= m.most:
		return ErrFull
	}
	m.items[name] = Item{sequence, until, value}
	return nil
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, name Name) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, there := m.items[name]
	if !there || !i.Until.After(time.Now()) {
		return nil, time.Time{}, nil
	}
	return i.Value, i.Until, nil
}

func (m *Memory) sweep(now time.Time) {
	m.swept = now
	for name, i := range m.items {
		if !i.Until.After(now) {
			delete(m.items, name)
		}
	}
}
