package migrate

import (
	"context"
	"fmt"

	"rock/ckpt/image"
	"rock/migrate/stream"
)

// recall sends a file of pages, while it grows, as a recipe: what the target has is not sent again.
func (s *sending) recall(name string, id uint32) error {
	f, err := s.open(file{ID: id, Name: name, Recipe: true})
	if err != nil {
		return err
	}
	defer f.Close()
	r := recalling{has: s.ahead, out: s.conn.NewSender(id)}
	if err := r.run(s.ctx, s.conn.NewTail(f, s.written)); err != nil {
		return fmt.Errorf("send image: %w", err)
	}
	s.sent(image.Sum{Name: name, Size: r.size, Sum: r.sum.Sum64()}, r.recalled)
	return nil
}

// recalling is the sending of one file.
type recalling struct {
	has    *ahead
	out    *stream.Sender
	recipe recipe
	told   int64 // bytes of the recipe that were sent

	size     int64 // of the file
	sum      image.Summer
	recalled int64
}

// run sends all of a file.
func (r *recalling) run(ctx context.Context, t *stream.Tail) error {
	block := make([]byte, stream.ChunkSize)
	for end := false; !end; {
		var n int
		var err error
		if n, end, err = t.Read(ctx, block, r.size); err != nil {
			return err
		}
		if !end {
			n -= n % r.has.page // the rest of that page comes yet
		}
		if err := r.block(ctx, block[:n]); err != nil {
			return err
		}
	}
	if err := r.tell(ctx); err != nil {
		return err
	}
	return r.out.Finish(ctx)
}

// block goes through what comes next in the file.
func (r *recalling) block(ctx context.Context, b []byte) error {
	r.sum.Write(b) // never fails
	for len(b) > 0 {
		page := b[:min(len(b), r.has.page)]
		b = b[len(page):]
		if r.recipe.full(len(page)) {
			if err := r.tell(ctx); err != nil {
				return err
			}
		}
		if from, ok := r.has.find(page); ok {
			r.recipe.refer(r.size, from, len(page))
			r.recalled += int64(len(page))
		} else {
			r.recipe.give(r.size, page)
		}
		r.size += int64(len(page))
	}
	return nil
}

// tell sends the recipe as far as it is.
func (r *recalling) tell(ctx context.Context) error {
	if len(r.recipe.b) == 0 {
		return nil
	}
	err := r.out.Send(ctx, r.told, r.recipe.b)
	r.told += int64(len(r.recipe.b))
	r.recipe.reset()
	return err
}
