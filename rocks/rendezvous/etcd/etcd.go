// Package etcd is a store that several servers of a rendezvous share, so that any of them may die: an etcd cluster.
package etcd

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"rock/rocks/rendezvous"
)

// prefix begins the keys; the name, in hexadecimal, ends them. The number is the version of the form of the
// values, which is that of rendezvous.Item.
const prefix = "/rock/rendezvous/1/"

const (
	// dialTime bounds the wait for the first connection to the cluster.
	dialTime = 5 * time.Second
	// askTime bounds one request to it.
	askTime = 3 * time.Second
	// mostTries bounds how often a value is written that others are writing too.
	mostTries = 5
)

// Store is a rendezvous.Store in an etcd cluster. How many names there is room for is the cluster's to say.
type Store struct{ client *clientv3.Client }

var _ rendezvous.Store = (*Store)(nil)

// Open connects to a cluster, by the addresses of some of its members.
func Open(ctx context.Context, endpoints []string) (*Store, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: dialTime, Logger: zap.NewNop(),
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 2 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if _, err := c.Get(ctx, prefix); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to etcd at %q: %w", endpoints, err), c.Close())
	}
	return &Store{c}, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

func key(name rendezvous.Name) string { return prefix + hex.EncodeToString(name[:]) }

// Put implements rendezvous.Store. The key has a lease, by which the cluster removes it some time later.
func (s *Store) Put(ctx context.Context, name rendezvous.Name, sequence uint64, value []byte, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	lease, err := s.client.Grant(ctx, int64(time.Until(until)/time.Second)+1)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	err = s.put(ctx, key(name), rendezvous.Item{Sequence: sequence, Until: until, Value: value}, lease.ID)
	if err != nil {
		_, _ = s.client.Revoke(ctx, lease.ID) // it expires as well
	}
	return err
}

// put writes a value unless a newer one is there, or comes there meanwhile.
func (s *Store) put(ctx context.Context, key string, i rendezvous.Item, lease clientv3.LeaseID) error {
	value := string(i.Encode())
	for range mostTries {
		old, err := s.client.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("etcd: %w", err)
		}
		revision := int64(0)
		if len(old.Kvs) > 0 {
			revision = old.Kvs[0].ModRevision
			if rendezvous.DecodeItem(old.Kvs[0].Value).Stands(i.Sequence) {
				return rendezvous.ErrOld
			}
		}
		done, err := s.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(clientv3.OpPut(key, value, clientv3.WithLease(lease))).
			Commit()
		if err != nil {
			return fmt.Errorf("etcd: %w", err)
		}
		if done.Succeeded {
			return nil
		}
	}
	return errors.New("etcd: others write the same name all the time")
}

// Get implements rendezvous.Store.
func (s *Store) Get(ctx context.Context, name rendezvous.Name) ([]byte, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	found, err := s.client.Get(ctx, key(name))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("etcd: %w", err)
	}
	if len(found.Kvs) == 0 {
		return nil, time.Time{}, nil
	}
	i := rendezvous.DecodeItem(found.Kvs[0].Value)
	if !i.Until.After(time.Now()) {
		return nil, time.Time{}, nil
	}
	return i.Value, i.Until, nil
}
