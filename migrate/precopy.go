package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/zeebo/xxh3"

	"rock/migrate/stream"
)

// Most memory is sent while the group runs, and again what has changed meanwhile. CRIU can find out what that is only where the kernel
// tracks it, which many do not, so contents decide: the source remembers a hash of each page that it has sent, and
// when CRIU has written a page that the target has, a reference to it is enough. It does not matter where the page was, or
// that it was half written when it was read: then it is of no use, and no more.

const (
	// leastAhead is the memory of a group, in bytes, from which on it pays to send it ahead.
	leastAhead = 4 << 20
	// enough is as little as a round may find, in bytes, so that no other one is worth it.
	enough = 1 << 20
	// mostRounds bounds how often the memory is read.
	mostRounds = 5
)

// ahead is what the target has of the memory before the group stands still.
type ahead struct {
	room int64 // bytes that the target takes
	seed uint64
	page int
	at   map[xxh3.Uint128]int64 // where in the target's store, by hash
	size int64                  // of the store

	rounds int
}

func newAhead(room int64, page int) *ahead {
	return &ahead{room: room, page: page, seed: rand.Uint64(), at: map[xxh3.Uint128]int64{}}
}

// find returns where the target has a page.
func (a *ahead) find(page []byte) (offset int64, ok bool) {
	offset, ok = a.at[xxh3.Hash128Seed(page, a.seed)]
	return offset, ok
}

// send sends what m has, again and again while that pays.
func (a *ahead) send(ctx context.Context, m memory, conn *stream.Conn, l *line, progress func(read int64)) error {
	last := int64(0)
	for {
		fresh, err := a.round(ctx, m, conn, progress)
		if err != nil {
			return err
		}
		a.rounds++
		// Only what the target has taken off the transport does not stand in the way of what follows.
		if err := conn.Send(kindRound, round{Bytes: a.size}); err != nil {
			return err
		}
		if err := l.expect(ctx, kindHeld, nil, nil); err != nil {
			return err
		}
		shrinks := a.rounds == 1 || fresh <= last/2
		if fresh <= enough || !shrinks || a.rounds == mostRounds || a.full() {
			return nil
		}
		last = fresh
	}
}

// full says that the target takes no more.
func (a *ahead) full() bool { return a.size+int64(a.page) > a.room }

// round sends the pages that the target does not have yet, and returns how many bytes that were.
func (a *ahead) round(ctx context.Context, m memory, conn *stream.Conn, progress func(read int64)) (fresh int64, err error) {
	begin, read := a.size, int64(0)
	out := conn.NewSender(storeID)
	part := make([]byte, 0, stream.ChunkSize)
	flush := func() error {
		offset := a.size - int64(len(part))
		err := out.Send(ctx, offset, part)
		part = part[:0]
		progress(read)
		return err
	}
	err = m.read(ctx, func(pages []byte) error {
		for page := range slices.Chunk(pages, a.page) {
			if len(page) < a.page || a.full() || !a.add(page) {
				continue
			}
			if part = append(part, page...); len(part)+a.page > cap(part) {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		read += int64(len(pages))
		return nil
	})
	if err == nil && len(part) > 0 {
		err = flush()
	}
	if err == nil {
		err = out.Finish(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("send memory ahead: %w", err)
	}
	return a.size - begin, nil
}

// add remembers a page, unless it is known.
func (a *ahead) add(page []byte) bool {
	sum := xxh3.Hash128Seed(page, a.seed)
	if _, known := a.at[sum]; known {
		return false
	}
	a.at[sum] = a.size
	a.size += int64(len(page))
	return true
}
