package rendezvous

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Client goes to one server. Its methods may be called concurrently.
type Client struct {
	// Dial makes a connection to the server.
	Dial func(ctx context.Context) (net.Conn, error)
}

// DefaultPort is that of a server.
const DefaultPort = "7625" // "rock" on the keys of a telephone

// Addresses returns host:port of each server in a list, as people write it: with commas, and ports only where they are others.
func Addresses(servers string) ([]string, error) {
	var all []string
	for server := range strings.SplitSeq(servers, ",") {
		server = strings.TrimSpace(server)
		host, port, err := net.SplitHostPort(server)
		if err != nil { // the port is missing, as a rule
			host, port = strings.TrimSuffix(strings.TrimPrefix(server, "["), "]"), DefaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@[]") {
			return nil, fmt.Errorf("%q: want HOST or HOST:PORT, several with commas between them", servers)
		}
		all = append(all, net.JoinHostPort(host, port))
	}
	return all, nil
}

// dialTime bounds the wait for one server: another attempt is better than the kernel's, who repeats a SYN ever more slowly.
const dialTime = 2 * time.Second

// NewClient returns a Client of the servers at addresses host:port, which share what they know. Each connection is to the first of
// them that can be reached, so that two ends that want to be connected meet at the same one. Names are looked up each time.
func NewClient(addresses []string) *Client {
	return &Client{Dial: func(ctx context.Context) (conn net.Conn, err error) {
		var errs []error
		d := net.Dialer{Timeout: dialTime}
		for _, a := range addresses {
			if conn, err = d.DialContext(ctx, "tcp", a); err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}}
}

// visitTime bounds what is not bounded by ctx.
const visitTime = 10 * time.Second

// visit makes a connection to the server and reads its greeting. The connection is closed when ctx is done.
func (c *Client) visit(ctx context.Context) (net.Conn, nonce, func(), error) {
	dial, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	conn, err := c.Dial(dial)
	if err != nil {
		return nil, nonce{}, nil, fmt.Errorf("rendezvous: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(visitTime))
	n, err := readGreeting(conn)
	if err != nil {
		stop()
		conn.Close()
		return nil, n, nil, errors.Join(context.Cause(ctx), fmt.Errorf("rendezvous: %w", err))
	}
	return conn, n, func() { stop() }, nil
}

// Exchange leaves records and looks for others. It returns those that were found and are signed as they must be. A record that is not
// taken, because there is newer word or no room, is an error, but keeps nothing else from being done. It blocks for two round trips, or
// until ctx is done.
func (c *Client) Exchange(ctx context.Context, leave []Record, seek []Name) ([]Record, error) {
	conn, n, done, err := c.visit(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer done()
	var out []byte
	for i := range leave {
		out = appendMessage(out, kindLeave, leave[i].leave(n))
	}
	for _, name := range seek {
		out = appendMessage(out, kindSeek, name[:])
	}
	sent := make(chan error, 1)
	go func() { // the server may answer before it has read all
		_, err := conn.Write(out)
		sent <- err
	}()
	in := bufio.NewReader(conn)
	found, err := answers(in, len(leave), seek)
	if err != nil {
		conn.Close()
	}
	if err := errors.Join(<-sent, err); err != nil {
		return found, fmt.Errorf("rendezvous: %w", errors.Join(context.Cause(ctx), err))
	}
	return found, nil
}

// answers reads what the server answers, in the order of the requests.
func answers(in *bufio.Reader, left int, seek []Name) (found []Record, err error) {
	var buf [maxBody]byte
	var refused error
	for range left {
		k, body, err := readMessage(in, &buf)
		switch {
		case err != nil:
			return nil, err
		case k != kindLeft || len(body) != 1:
			return nil, errAnswer
		case status(body[0]) != statusDone:
			refused = fmt.Errorf("word was not taken: %v", status(body[0]))
		}
	}
	for _, name := range seek {
		k, body, err := readMessage(in, &buf)
		switch {
		case err != nil:
			return found, err
		case k != kindFound || len(body) > 0 && len(body) < 4:
			return found, errAnswer
		case len(body) == 0:
			continue
		}
		r, err := decodeRecord(body[4:])
		if err != nil || r.Name() != name {
			return found, errAnswer
		}
		if left := time.Duration(binary.BigEndian.Uint32(body)) * time.Second; left < r.Lifetime {
			r.Lifetime = left
		}
		found = append(found, r)
	}
	return found, refused
}

var errAnswer = errors.New("the server answers what nobody has asked")

// ErrAlone says that the other end has not come to be connected.
var ErrAlone = errors.New("the other end has not come")

// Join waits for the other end to join too, and returns a connection to it, through the server. It blocks until then, until the server has
// no more patience (ErrAlone), or ctx is done. What it returns is not bound to ctx.
func (c *Client) Join(ctx context.Context, own Identity, other Name) (net.Conn, error) {
	conn, n, done, err := c.visit(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := join(conn, own.join(n, other))
	if err == nil && s == statusDone && ctx.Err() == nil {
		return conn, conn.SetDeadline(time.Time{})
	}
	conn.Close()
	switch {
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case err == nil && s == statusAlone:
		return nil, ErrAlone
	case err == nil:
		err = errors.New(s.String())
	}
	return nil, fmt.Errorf("rendezvous: %w", err)
}

func join(conn net.Conn, request []byte) (status, error) {
	if _, err := conn.Write(appendMessage(nil, kindJoin, request)); err != nil {
		return 0, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience + visitTime))
	var buf [maxBody]byte
	k, body, err := readMessage(conn, &buf) // and not a byte more: what follows is the other's
	if err != nil {
		return 0, err
	}
	if k != kindJoined || len(body) != 1 {
		return 0, errAnswer
	}
	return status(body[0]), nil
}
