package once

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"rock/rocks"
	"rock/rocks/remote/talk"
	"rock/rocks/rendezvous"
	"rock/rocks/wire"
)

const (
	// greetTime bounds how long a connection may take to say its secret.
	greetTime = 10 * time.Second
	// waitTime bounds how long the client may take to connect.
	waitTime = 2 * time.Minute
	// flushTime is how long the answer to who cannot be served may take.
	flushTime = time.Second
	// keyTime is how long the key is let in.
	keyTime = time.Minute
)

// errStranger says that a connection is not the client's.
var errStranger = errors.New("it does not know the secret, or that was used")

var errGone = errors.New("the client has gone")

// Options say whom to serve.
type Options struct {
	In     io.Reader           // from the client, over ssh
	Out    io.Writer           // to it
	Detach func()              // called when the connection is there: nothing more is said over ssh
	Getenv func(string) string // as sshd has set it
	Rock   string              // version of the program
	Logger *slog.Logger        // nil: no log
}

// server serves one client.
type server struct {
	Options
	talk     *talk.Conn
	endpoint *rocks.Endpoint
	listener *rocks.Listener
	sshd     netip.AddrPort
	guests   *guests
	timeout  time.Duration

	mu     sync.Mutex
	secret []byte // nil: it was used
}

// Serve serves the client at the other end of the options' In and Out. It blocks until the connection that it is for has ended
// and all of it is delivered. If the client leaves before there is a connection, or ctx is done, it ends at once. What goes
// wrong the client is told; it is an error here only if that is not possible.
func Serve(ctx context.Context, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{Options: o, talk: talk.NewConn(o.In, o.Out)}
	if err := s.talk.Send(talk.Message{Hello: &talk.Hello{Version: talk.Version, Rock: o.Rock}}); err != nil {
		return err
	}
	err := s.run(ctx)
	if err == nil {
		return nil
	}
	o.Logger.Warn("no connection", "error", err)
	if errors.Is(err, errGone) {
		return nil
	}
	return s.talk.Send(talk.Message{Failure: &talk.Failure{Reason: err.Error()}})
}

func (s *server) run(ctx context.Context) (err error) {
	m, err := s.talk.Receive()
	switch {
	case err != nil:
		return err
	case m.Request == nil || len(m.Request.Secret) != talk.SecretSize:
		return errors.New("the client does not say what it wants")
	case m.Request.Version != talk.Version:
		return fmt.Errorf("rock speaks version %d with its rockd, this one version %d: install the same version on both hosts",
			m.Request.Version, talk.Version)
	}
	s.secret, s.timeout = m.Request.Secret, time.Duration(m.Request.Timeout)*time.Second
	s.sshd = sshdOf(s.Getenv("SSH_CONNECTION"))
	if err := s.open(m.Request.Rendezvous); err != nil {
		return err
	}
	defer s.endpoint.Close()
	s.guests = &guests{keys: inHome(s.Getenv("HOME"))}
	defer s.guests.close(s.Logger)
	if err := s.ready(m.Request.Key); err != nil {
		return err
	}
	conn, err := s.wait(ctx)
	if err != nil {
		brief, cancel := context.WithTimeout(ctx, flushTime)
		defer cancel()
		_ = s.endpoint.Flush(brief) // who came may have been told why
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.rock.Reset() })()
	conn.bridge()
	return s.endpoint.Flush(ctx)
}

// sshdOf returns where the sshd is that has started this process, by its SSH_CONNECTION (ssh(1)).
func sshdOf(connection string) netip.AddrPort {
	if f := strings.Fields(connection); len(f) == 4 {
		if a, err := netip.ParseAddrPort(net.JoinHostPort(f[2], f[3])); err == nil {
			return a
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 22)
}

// open begins to listen.
func (s *server) open(meet []string) (err error) {
	cfg := rocks.Config{Network: rocks.System(), Logger: s.Logger, Timeout: s.timeout}
	if len(meet) > 0 {
		cfg.Rendezvous = rendezvous.NewClient(meet)
	}
	s.endpoint, err = rocks.NewEndpoint(cfg)
	if err != nil {
		return err
	}
	if s.listener, err = s.endpoint.Listen(context.Background(), "tcp", ":0"); err != nil {
		s.listener, err = s.endpoint.Listen(context.Background(), "tcp4", ":0") // a host may have no IPv6 at all
	}
	if err != nil {
		_ = s.endpoint.Close()
	}
	return err
}

// ready lets the key in and tells the client where to come to.
func (s *server) ready(key string) error {
	announced := s.endpoint.Announcement(true)
	r := &talk.Ready{Port: s.port(), Announcement: wire.AppendMessage(nil, &announced), KeyRefused: "none was given"}
	if key != "" {
		r.KeyRefused = reason(s.guests.once(key, s.sshd.Addr(), time.Now()))
	}
	r.Addresses = append(r.Addresses, s.sshd.Addr().String())
	for _, a := range s.endpoint.Addresses() {
		r.Addresses = append(r.Addresses, a.Addr().String())
	}
	return s.talk.Send(talk.Message{Ready: r})
}

func reason(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func (s *server) port() uint16 { return s.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

// wait waits for the connection that has the secret, and listens to the client meanwhile.
func (s *server) wait(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitTime, errors.New("the client does not come"))
	defer cancel()
	ctx, leave := context.WithCancelCause(ctx)
	found := make(chan *connection)
	go s.listen(leave)
	go s.accept(ctx, found, leave)
	select {
	case c := <-found:
		err := s.talk.Send(talk.Message{Served: &talk.Served{}})
		s.Detach()
		if err != nil {
			s.Logger.Info("ssh has gone", "error", err) // and what matters is there
		}
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// listen answers what the client says, until it has gone or everything is said.
func (s *server) listen(leave context.CancelCauseFunc) {
	m, err := s.talk.Receive()
	for ; err == nil && m.Carry != nil; m, err = s.talk.Receive() {
		answer := &talk.Carried{KeyRefused: "none was given"}
		if m.Carry.Key != "" {
			answer.KeyRefused = reason(s.guests.attach(m.Carry.Key, s.port(), s.timeout))
		}
		if err := s.talk.Send(talk.Message{Carried: answer}); err != nil {
			break
		}
	}
	leave(errGone)
}

// executable is this program's path, for sshd to start it again.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return "rockd"
	}
	return path
}
