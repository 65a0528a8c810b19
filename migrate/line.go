package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"rock/migrate/files"
	"rock/migrate/stream"
	"rock/rocks/group"
)

const (
	aliveEvery = 200 * time.Millisecond
	// silence is after which a connection counts as broken while the group stands still.
	silence = 1500 * time.Millisecond
	// patience is the same while nobody waits, and for who has only to wait.
	patience = 30 * time.Second
)

var errSilent = errors.New("the connection to the other host is silent")

// abortedError is what the other end gives as the reason that it gives up.
type abortedError struct{ reason string }

func (e *abortedError) Error() string { return e.reason }

// line reads what the other end sends, tells it that this end lives, and notices when it falls silent.
type line struct {
	conn   *stream.Conn
	broken context.CancelCauseFunc // called when the other end gives up or is lost
	frames chan *stream.Frame      // messages
	sink   atomic.Pointer[sink]    // of files

	lost    chan struct{}                           // closed when nothing more comes
	why     error                                   // set before that
	over    chan struct{}                           // closed by wait
	heard   atomic.Int64                            // when: nanoseconds since began
	limit   atomic.Int64                            // of silence, in nanoseconds
	silent  atomic.Pointer[context.CancelCauseFunc] // called when it is silent, instead of broken; nil before it is decided
	beating atomic.Bool
	began   time.Time
	work    sync.WaitGroup
}

// sink takes the frames of files, whose data are good only for the time of the call.
type sink func(*stream.Frame) error

// newLine begins. broken is called at most once.
func newLine(conn *stream.Conn, broken context.CancelCauseFunc) *line {
	l := &line{conn: conn, broken: broken, frames: make(chan *stream.Frame, 16), lost: make(chan struct{}),
		over: make(chan struct{}), began: time.Now()}
	l.limit.Store(int64(patience))
	l.work.Go(l.listen)
	l.work.Go(l.beat)
	return l
}

// hurry is for when the group stands still: the connection is taken for broken after a silence of limit.
func (l *line) hurry(limit time.Duration) {
	l.heard.Store(int64(time.Since(l.began)))
	l.limit.Store(int64(limit))
}

// commit is for when giving up is not possible any more. After a silence of limit, silent is called; what else breaks the
// connection is seen by who expects something.
func (l *line) commit(limit time.Duration, silent context.CancelCauseFunc) {
	l.silent.Store(&silent)
	l.hurry(limit)
}

// wait ends the line. The transport must be closed.
func (l *line) wait() {
	close(l.over)
	l.work.Wait()
}

func (l *line) listen() {
	defer close(l.lost)
	for {
		f, err := l.conn.Receive()
		if err == nil && f.Kind == kindAbort {
			var a abort
			if err = f.Decode(&a); err == nil {
				err = &abortedError{a.Reason}
			}
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("the connection to the other host has ended")
		}
		if err != nil {
			l.why = err
			if l.silent.Load() == nil {
				l.broken(err)
			}
			return
		}
		l.heard.Store(int64(time.Since(l.began)))
		switch f.Kind {
		case kindAlive:
			continue
		case kindFile, kindRound, files.KindItem, files.KindEnd, files.KindList, stream.KindChunk:
			if err := l.pour(f); err != nil {
				l.why = err
				l.broken(err)
				return
			}
			continue
		}
		select {
		case l.frames <- f:
		case <-l.over:
			l.why = errSilent
			return
		}
	}
}

// pour hands a frame of a file to whoever wants it.
func (l *line) pour(f *stream.Frame) error {
	take := l.sink.Load()
	if take == nil {
		return errors.New("the other host sends files that nobody has asked for")
	}
	return (*take)(f)
}

// beat tells the other end that this one lives, and looks whether that one does.
func (l *line) beat() {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.over:
			return
		case <-l.lost:
			return
		case <-tick.C:
		}
		if l.beating.CompareAndSwap(false, true) { // else the transport is busy
			l.work.Go(func() {
				defer l.beating.Store(false)
				_ = l.conn.Send(kindAlive, nil) // a failure is seen by who sends something that matters
			})
		}
		if time.Since(l.began)-time.Duration(l.heard.Load()) > time.Duration(l.limit.Load()) {
			tell := l.broken
			if s := l.silent.Load(); s != nil {
				tell = *s
			}
			tell(errSilent)
			return
		}
	}
}

// expect waits for a message of one kind, and reports progress that comes before it. p may be nil.
func (l *line) expect(ctx context.Context, kind uint8, body any, p func(group.Progress)) error {
	for {
		f, err := l.next(ctx)
		if err != nil {
			return err
		}
		switch f.Kind {
		case kind:
			if body == nil {
				return nil
			}
			return f.Decode(body)
		case kindProgress:
			var now progress
			if err := f.Decode(&now); err != nil {
				return err
			}
			if p != nil {
				p(group.Progress{Phase: now.Phase})
			}
		default:
			return fmt.Errorf("the other host sent a message of kind %d, not %d", f.Kind, kind)
		}
	}
}

// next waits for a message.
func (l *line) next(ctx context.Context) (*stream.Frame, error) {
	select {
	case f := <-l.frames:
		return f, nil
	default:
	}
	select {
	case f := <-l.frames:
		return f, nil
	case <-l.lost:
		select {
		case f := <-l.frames: // it came before
			return f, nil
		default:
		}
		return nil, l.why
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
