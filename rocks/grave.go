package rocks

import (
	"time"

	"rock/rocks/auth"
)

const (
	graveTime = 5 * time.Minute // how long a closed rock is remembered
	maxGraves = 16384           // the oldest make room
)

// grave remembers a rock that has ended, so that a peer that missed the last words learns it.
type grave struct {
	key   rockKey
	keys  auth.Keys
	until time.Time
}

// graveyard holds the graves of an Endpoint. The zero value is empty.
type graveyard struct {
	byKey map[rockKey]*grave
	order []*grave // oldest first
}

// bury adds a grave and removes those that are too old.
func (y *graveyard) bury(key rockKey, keys auth.Keys, now time.Time) {
	if y.byKey == nil {
		y.byKey = make(map[rockKey]*grave)
	}
	y.expire(now, maxGraves-1)
	g := &grave{key: key, keys: keys, until: now.Add(graveTime)}
	y.byKey[key] = g
	y.order = append(y.order, g)
}

// find returns the grave with the given key, nil if there is none.
func (y *graveyard) find(key rockKey, now time.Time) *grave {
	y.expire(now, maxGraves)
	return y.byKey[key]
}

// expire removes graves that are over and, oldest first, those beyond limit.
func (y *graveyard) expire(now time.Time, limit int) {
	n := 0
	for n < len(y.order) && (len(y.order)-n > limit || now.After(y.order[n].until)) {
		if g := y.order[n]; y.byKey[g.key] == g {
			delete(y.byKey, g.key)
		}
		n++
	}
	if n > 0 {
		y.order = append([]*grave(nil), y.order[n:]...)
	}
}

// leavesGraveLocked reports whether the peer may be told, from now on, that the rock has ended: not
// if another copy of this end may own it.
func (c *Conn) leavesGraveLocked() bool {
	if c.generation == 0 {
		return false // never born
	}
	return c.orphan == nil
}
