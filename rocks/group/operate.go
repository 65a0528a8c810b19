package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// refusal is an error that the supervisor has answered.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

// errNotAsked says that a supervisor asks what its client has no answer to.
var errNotAsked = errors.New("the supervisor asks something that this program has no answer to")

// operate has a supervisor do something that takes time, and returns its last reply.
func (g *Group) operate(ctx context.Context, q Request, files []*os.File, t Talk) (last *Reply, err error) {
	err = g.converse(ctx, q, files, giveUpTime, func(r *Reply, answer func(string) error) (bool, error) {
		switch {
		case r.Question != nil && t.Answer == nil:
			return false, errNotAsked
		case r.Question != nil:
			a, err := t.Answer(ctx, *r.Question)
			switch {
			case err == nil:
				return true, answer(a)
			case ctx.Err() != nil:
				return true, nil // it has been told, and says what comes of that
			}
			return false, err
		case r.Progress != nil:
			if t.Progress != nil {
				t.Progress(*r.Progress)
			}
			return true, nil
		}
		last = r
		return false, nil
	})
	if refused := (*refusal)(nil); errors.As(err, &refused) && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrGivenUp, context.Cause(ctx))
	}
	return last, err
}

// converse sends a request, with files, which it closes then, and gives its replies to next, with a way to answer them, until that returns
// false. When ctx is done it tells the supervisor, by closing its half of the connection, and waits for a last
// reply only for the time patience.
func (g *Group) converse(ctx context.Context, q Request, files []*os.File, patience time.Duration,
	next func(r *Reply, answer func(string) error) (more bool, err error)) error {
	short, done, err := shortPath(g.socket)
	if err != nil {
		return noAnswer(err)
	}
	defer done()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", short)
	if err != nil {
		return noAnswer(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Now().Add(patience))
		_ = conn.(*net.UnixConn).CloseWrite()
	})()
	q.Version = Version
	if err := writeMessage(&rightsWriter{conn.(*net.UnixConn), files}, &q, MaxRequest); err != nil {
		return noAnswer(err)
	}
	answer := func(a string) error {
		return writeMessage(conn, &Request{Version: Version, Op: OpAnswer, Answer: a}, MaxRequest)
	}
	for {
		var r Reply
		if err := readMessage(conn, &r, MaxReply); err != nil {
			return errors.Join(context.Cause(ctx), noAnswer(err))
		}
		if r.Error != "" {
			return &refusal{r.Error}
		}
		if r.Version != Version {
			return fmt.Errorf("the supervisor speaks control protocol version %d, this program %d", r.Version, Version)
		}
		if more, err := next(&r, answer); !more || err != nil {
			return err
		}
	}
}

// rightsWriter sends files with the first write, and closes them.
type rightsWriter struct {
	conn  *net.UnixConn
	files []*os.File
}

func (w *rightsWriter) Write(b []byte) (int, error) {
	var oob []byte
	if len(w.files) > 0 {
		fds := make([]int, len(w.files))
		for i, f := range w.files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	n, _, err := w.conn.WriteMsgUnix(b, oob, nil)
	closeAll(w.files)
	w.files = nil
	return n, err
}

// maxRights bounds the descriptors that may come with a request.
const maxRights = 2

// rightsReader reads from a connection and keeps the descriptors that come.
type rightsReader struct {
	*net.UnixConn
	files []*os.File
}

func (r *rightsReader) Read(b []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxRights))
	n, oobn, _, _, err := r.ReadMsgUnix(b, oob)
	if err != nil {
		return n, err
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	control, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, fmt.Errorf("read descriptors: %w", err)
	}
	for i := range control {
		fds, err := unix.ParseUnixRights(&control[i])
		if err != nil {
			continue // of another kind
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			_ = unix.SetNonblock(fd, true) // so that closing it ends a read that waits
			r.files = append(r.files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return n, nil
}

// take returns the descriptors that have come, which are the caller's from then on.
func (r *rightsReader) take() []*os.File {
	files := r.files
	r.files = nil
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
