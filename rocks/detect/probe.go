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

	"rock/rocks/wire"
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
// Rock comes with the announcement. Ordinary means that the peer closed the probe without a byte, or sent anything else (also an
// announcement of versions that are not ours); Doubtful that it refused or
// reset the probe, or was silent for AnswerTime(rtt); rtt is the round-trip time of the path, 0 if unknown: then
// the time that dial took serves as a bound of it. Unknown comes with an error:
// the network or ctx failed, which says nothing about the peer. Until dial
// returns, the time is bounded by ctx alone.
func Probe(ctx context.Context, dial DialFunc, rtt time.Duration) (wire.Announcement, Verdict, error) {
	start := time.Now()
	conn, err := dial(ctx, ProbeMSS)
	if err != nil {
		return judge(ctx, fmt.Errorf("dial probe: %w", err), false)
	}
	defer conn.Close()
	if rtt <= 0 {
		rtt = max(time.Since(start), unknownRTT) // to connect takes a round trip at least
	}
	if err := halfClose(conn); err != nil {
		return judge(ctx, fmt.Errorf("half-close probe: %w", err), false)
	}
	if err := conn.SetReadDeadline(time.Now().Add(AnswerTime(rtt))); err != nil {
		return judge(ctx, fmt.Errorf("bound the wait for an announcement: %w", err), false)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	announced, err := readAnnouncement(conn)
	if err != nil {
		return judge(ctx, fmt.Errorf("read announcement: %w", err), true)
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

// readAnnouncement reads until it has an announcement or can tell that none comes.
func readAnnouncement(r io.Reader) (wire.Announcement, error) {
	var buf [wire.HeaderSize + wire.MaxBody]byte
	for n := 0; ; {
		more, err := r.Read(buf[n:])
		n += more
		message, _, parseErr := wire.ParseMessage(buf[:n])
		announced, ok := message.(*wire.Announcement)
		switch {
		case parseErr == nil && ok && !speaksOurs(announced):
			return wire.Announcement{}, fmt.Errorf("%w: no common version", errOther)
		case parseErr == nil && ok:
			return *announced, nil
		case parseErr == nil:
			return wire.Announcement{}, fmt.Errorf("%w: %v", errOther, message.Type())
		case !errors.Is(parseErr, wire.ErrShort):
			return wire.Announcement{}, fmt.Errorf("%w: %w", errOther, parseErr)
		case err != nil:
			return wire.Announcement{}, err
		}
	}
}

// errOther means that the peer sent something else than an announcement for us.
var errOther = errors.New("other bytes")

func speaksOurs(a *wire.Announcement) bool {
	_, ok := a.Versions.Common(wire.Supported())
	return ok
}

// judge turns the error that ended a probe into a verdict, if it is one of those that an ordinary peer causes. asked says that the probe had
// come as far as the answer.
func judge(ctx context.Context, err error, asked bool) (wire.Announcement, Verdict, error) {
	switch {
	case ctx.Err() != nil:
		return wire.Announcement{}, Unknown, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	case asked && (errors.Is(err, io.EOF) || errors.Is(err, errOther)):
		return wire.Announcement{}, Ordinary, nil
	case refusal(err) || asked && errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Announcement{}, Doubtful, nil
	}
	return wire.Announcement{}, Unknown, err
}

// refusal reports whether the peer's kernel turned the probe down. After a reset
// shutdown(2) says ENOTCONN.
func refusal(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ENOTCONN)
}

func halfClose(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T: %w", conn, errors.ErrUnsupported)
	}
	return half.CloseWrite()
}
