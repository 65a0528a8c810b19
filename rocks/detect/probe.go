package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// DialFunc connects to the address that is being probed, with the given MSS (in
// bytes) set before connecting. The connection must have a CloseWrite method,
// as *net.TCPConn has, and deadlines.
type DialFunc func(ctx context.Context, mss int) (net.Conn, error)

// probeSlack is what an answer may take beside round trips.
const probeSlack = 200 * time.Millisecond

// Probe asks a peer whether it has rocks: it dials a connection with the strong
// mark, half-closes it at once and reads the announcement. Not a byte is
// written on it, and it is closed, whatever happens, before Probe returns.
//
// The FIN goes out when dial returns. So where the announcement is wanted to
// tell of a marked connection that is dialled at the same time, dial returns
// only when that one is established too.
//
// Rock comes with the announcement. Ordinary means that the peer refused or
// reset the probe, closed it without a byte, sent anything else, or was silent
// for AnswerTime(rtt); rtt is the round-trip time of the path, 0 if unknown.
// Unknown comes with an error: the network or ctx failed, which says nothing
// about the peer. Until dial returns, the time is bounded by ctx alone.
func Probe(ctx context.Context, dial DialFunc, rtt time.Duration) (Announcement, Verdict, error) {
	conn, err := dial(ctx, ProbeMSS)
	if err != nil {
		return judge(ctx, fmt.Errorf("dial probe: %w", err))
	}
	defer conn.Close()
	if err := halfClose(conn); err != nil {
		return judge(ctx, fmt.Errorf("half-close probe: %w", err))
	}
	if err := conn.SetReadDeadline(time.Now().Add(AnswerTime(rtt))); err != nil {
		return judge(ctx, fmt.Errorf("bound the wait for an announcement: %w", err))
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	announced, err := readAnnouncement(conn)
	if err != nil {
		return judge(ctx, fmt.Errorf("read announcement: %w", err))
	}
	return announced, Rock, nil
}

// AnswerTime returns how long Probe waits for an announcement once it is
// connected, given the round-trip time (0 = unknown): 4·rtt + 200 ms, but not
// longer than a server holds a connection for it.
func AnswerTime(rtt time.Duration) time.Duration {
	if rtt <= 0 {
		rtt = unknownRTT
	}
	return min(4*rtt+probeSlack, LongHold)
}

// judge turns the error that ended a probe into a verdict.
func judge(ctx context.Context, err error) (Announcement, Verdict, error) {
	switch {
	case ctx.Err() != nil:
		return Announcement{}, Unknown, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	case isAnswer(err):
		return Announcement{}, Ordinary, nil
	}
	return Announcement{}, Unknown, err
}

// isAnswer reports whether an error is what an ordinary peer gives.
func isAnswer(err error) bool {
	for _, answer := range []error{
		io.EOF, io.ErrUnexpectedEOF, errNotAnnouncement, // it spoke or closed
		os.ErrDeadlineExceeded, // it is silent
		syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.EPIPE, syscall.ENOTCONN, // reset before the half-close
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

func halfClose(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T: %w", conn, errors.ErrUnsupported)
	}
	return half.CloseWrite()
}
