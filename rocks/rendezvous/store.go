package rendezvous

import (
	"context"
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

// Memory is a Store that forgets everything with its process.
type Memory struct {
	most int

	mu    sync.Mutex
	items map[Name]item
	swept time.Time
}

type item struct {
	sequence uint64
	value    []byte
	until    time.Time
}

// sweepEvery is how often what has expired is looked for, if there is room.
const sweepEvery = time.Minute

// NewMemory returns a Memory for so many names.
func NewMemory(most int) *Memory { return &Memory{most: most, items: map[Name]item{}} }

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
	case there && old.until.After(now) && old.sequence >= sequence:
		return ErrOld
	case !there && len(m.items) >= m.most:
		return ErrFull
	}
	m.items[name] = item{sequence, value, until}
	return nil
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, name Name) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, there := m.items[name]
	if !there || !i.until.After(time.Now()) {
		return nil, time.Time{}, nil
	}
	return i.value, i.until, nil
}

func (m *Memory) sweep(now time.Time) {
	m.swept = now
	for name, i := range m.items {
		if !i.until.After(now) {
			delete(m.items, name)
		}
	}
}
