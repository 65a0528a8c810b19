// Package disk is a store for a rendezvous that outlives its process: one file.
package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"rock/rocks/rendezvous"
)

// Store is a rendezvous.Store in a file.
type Store struct {
	db    *bbolt.DB
	most  int64
	names atomic.Int64 // about so many are there
	work  sync.WaitGroup
	end   context.Context
	stop  context.CancelFunc
}

var _ rendezvous.Store = (*Store)(nil)

var bucket = []byte("words 1") // the form of its values is that of rendezvous.Item

const (
	// openTime bounds the wait for another process that has the file.
	openTime = 2 * time.Second
	// sweepEvery is how often what has expired is removed.
	sweepEvery = time.Minute
)

// Open opens the file, or makes it, for so many names. The file is for this process alone as long as it is open. What is in it is
// worth no more than some minutes: a file that is damaged is begun anew.
func Open(path string, most int) (*Store, error) {
	// Who loses a word to a power failure leaves it again.
	options := &bbolt.Options{Timeout: openTime, NoSync: true, NoFreelistSync: true}
	db, err := bbolt.Open(path, 0o600, options)
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) {
		if err = os.Remove(path); err == nil {
			db, err = bbolt.Open(path, 0o600, options)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{db: db, most: int64(most)}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err == nil {
			s.names.Store(int64(b.Stats().KeyN))
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	s.end, s.stop = context.WithCancel(context.Background())
	s.work.Go(s.sweep)
	return s, nil
}

// Close writes everything and closes the file.
func (s *Store) Close() error {
	s.stop()
	s.work.Wait()
	return errors.Join(s.db.Sync(), s.db.Close())
}

// Put implements rendezvous.Store. Those who come at the same time share a write.
func (s *Store) Put(_ context.Context, name rendezvous.Name, sequence uint64, value []byte, until time.Time) error {
	isNew := false
	err := s.db.Batch(func(tx *bbolt.Tx) error { // which may be called more than once
		b := tx.Bucket(bucket)
		old := b.Get(name[:])
		switch {
		case old != nil && rendezvous.DecodeItem(old).Stands(sequence):
			return rendezvous.ErrOld
		case old == nil && s.names.Load() >= s.most:
			return rendezvous.ErrFull
		}
		isNew = old == nil
		return b.Put(name[:], rendezvous.Item{Sequence: sequence, Until: until, Value: value}.Encode())
	})
	if err == nil && isNew {
		s.names.Add(1)
	}
	return err
}

// Get implements rendezvous.Store.
func (s *Store) Get(_ context.Context, name rendezvous.Name) (value []byte, until time.Time, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		i := rendezvous.DecodeItem(tx.Bucket(bucket).Get(name[:]))
		if i.Until.After(time.Now()) {
			value, until = append([]byte(nil), i.Value...), i.Until
		}
		return nil
	})
	return value, until, err
}

// sweep removes what has expired, until the end.
func (s *Store) sweep() {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-s.end.Done():
			return
		case <-t.C:
			_ = s.removeExpired(time.Now()) // next time
		}
	}
}

func (s *Store) removeExpired(now time.Time) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		var dead [][]byte
		err := b.ForEach(func(name, value []byte) error {
			if !rendezvous.DecodeItem(value).Until.After(now) {
				dead = append(dead, append([]byte(nil), name...))
			}
			return nil
		})
		for _, name := range dead {
			err = errors.Join(err, b.Delete(name))
			s.names.Add(-1)
		}
		return err
	})
}
