package rendezvous

import (
	"context"
	"net"
	"sync"
	"time"
)

// pair names two ends: who comes, and whom he wants to meet.
type pair struct{ own, other Name }

// guest waits for the other.
type guest struct {
	conn     net.Conn
	met      chan struct{} // closed when the other has come, who carries both ways
	done     chan struct{} // closed when that has ended
	replaced chan struct{} // closed when one of the same name has come
}

// relay connects pairs.
type relay struct {
	most, rate int
	stats      *Stats

	mu      sync.Mutex
	waiting map[pair]*guest
	pairs   int
}

func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pairs
}

// join waits for the other and carries what they say until one of them has ended, or ctx is done. A second one of the same name takes the
// place of the first, who may be gone without a word.
func (r *relay) join(ctx context.Context, conn net.Conn, p pair) {
	r.mu.Lock()
	there := r.waiting[pair{p.other, p.own}]
	switch {
	case there != nil:
		delete(r.waiting, pair{p.other, p.own})
		r.pairs++
		r.mu.Unlock()
		close(there.met)
		r.connect(ctx, conn, there)
	case r.pairs >= r.most || len(r.waiting) >= 2*r.most:
		r.mu.Unlock()
		say(conn, statusFull)
	default:
		g := &guest{conn: conn, met: make(chan struct{}), done: make(chan struct{}), replaced: make(chan struct{})}
		if old := r.waiting[p]; old != nil {
			close(old.replaced)
		}
		r.waiting[p] = g
		r.mu.Unlock()
		r.await(ctx, p, g)
	}
}

func say(conn net.Conn, s status) bool {
	_ = conn.SetDeadline(time.Now().Add(idle))
	_, err := conn.Write(appendMessage(nil, kindJoined, []byte{byte(s)}))
	return err == nil
}

// await waits until the other has come and gone.
func (r *relay) await(ctx context.Context, p pair, g *guest) {
	_ = g.conn.SetDeadline(time.Time{})
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-g.met:
		<-g.done
		return
	case <-g.replaced:
		return
	case <-t.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	still := r.waiting[p] == g
	if still {
		delete(r.waiting, p)
	}
	r.mu.Unlock()
	if still {
		say(g.conn, statusAlone)
		return
	}
	select { // it has been met or replaced just now
	case <-g.met:
		<-g.done
	case <-g.replaced:
	}
}

// connect carries both ways. Who waited is told first: he may have gone, and then the other tries again.
func (r *relay) connect(ctx context.Context, conn net.Conn, there *guest) {
	defer close(there.done)
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pairs--
	}()
	both := []net.Conn{there.conn, conn}
	for _, c := range both {
		if !say(c, statusDone) {
			conn.Close()
			there.conn.Close()
			return
		}
		_ = c.SetDeadline(time.Time{})
	}
	r.stats.Pairs.Add(1)
	defer context.AfterFunc(ctx, func() {
		conn.Close()
		there.conn.Close()
	})()
	var ways sync.WaitGroup
	ways.Go(func() { r.carry(ctx, conn, there.conn) })
	ways.Go(func() { r.carry(ctx, there.conn, conn) })
	ways.Wait()
}

// carry carries one way, at the rate that is allowed. A link of a rock ends as a whole.
func (r *relay) carry(ctx context.Context, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	pace := newPace(r.rate)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pace.wait(ctx, n)
			r.stats.RelayBytes.Add(int64(n))
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
