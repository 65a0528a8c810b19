package group

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Dialogue is what an operation of a group has with the client that asked for it. Its methods are called from one goroutine at a
// time, and do not fail the operation: its context ends when the client leaves.
type Dialogue interface {
	Progress(Progress)
	// Ask waits for an answer, until ctx is done or the client leaves.
	Ask(ctx context.Context, q Question) (string, error)
}

var (
	errClientGone = errors.New("who asked for it has left")
	errClosed     = errors.New("the group has ended")
)

// dialogue is one with a client of the control socket.
type dialogue struct {
	conn    net.Conn
	leave   context.CancelCauseFunc
	gone    chan struct{} // closed when nothing more is read
	answers chan string

	mu sync.Mutex // of what is written
}

// newDialogue begins to listen to the client. The context returned is done when it leaves, or when s closes.
func (s *Server) newDialogue(conn net.Conn) (context.Context, *dialogue) {
	ctx, leave := context.WithCancelCause(s.end)
	s.mu.Lock()
	if !s.closed {
		_ = conn.SetDeadline(time.Time{})
	}
	s.mu.Unlock()
	d := &dialogue{conn: conn, leave: leave, gone: make(chan struct{}), answers: make(chan string)}
	go d.listen(ctx)
	return ctx, d
}

// listen takes the client's answers until it leaves: by closing the connection or its half of it.
func (d *dialogue) listen(ctx context.Context) {
	defer close(d.gone)
	for {
		var q Request
		err := readMessage(d.conn, &q, MaxRequest)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil || q.Version != Version || q.Op != OpAnswer {
			d.leave(errClientGone)
			return
		}
		select {
		case d.answers <- q.Answer:
		case <-ctx.Done():
			return
		}
	}
}

// end stops listening.
func (d *dialogue) end() {
	_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	d.leave(nil)
	<-d.gone
}

// Progress tells the client how far it is.
func (d *dialogue) Progress(p Progress) { d.say(&Reply{Progress: &p}) }

func (d *dialogue) say(r *Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Version = Version
	_ = d.conn.SetWriteDeadline(time.Now().Add(clientTime))
	if err := writeMessage(d.conn, r, MaxReply); err != nil {
		d.leave(errClientGone)
	}
}

// Ask asks the client.
func (d *dialogue) Ask(ctx context.Context, q Question) (string, error) {
	d.say(&Reply{Question: &q})
	select {
	case a := <-d.answers:
		return a, nil
	case <-d.gone:
		return "", errClientGone
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
