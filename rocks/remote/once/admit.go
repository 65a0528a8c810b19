package once

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"rock/rocks"
	"rock/rocks/remote/talk"
)

// accept finds the connection among those that come. If it cannot be served there is nothing to wait for.
func (s *server) accept(ctx context.Context, found chan<- *connection, leave context.CancelCauseFunc) {
	for {
		rock, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			c, err := s.admit(rock.(*rocks.Conn))
			if errors.Is(err, errStranger) {
				s.Logger.Warn("connection refused", "remote", rock.RemoteAddr(), "error", err)
				_ = rock.(*rocks.Conn).Reset()
				return
			}
			if err != nil {
				_ = rock.Close()
				leave(err)
				return
			}
			select {
			case found <- c:
			case <-ctx.Done():
				_ = c.rock.Reset()
				_ = c.sshd.Close()
			}
		}()
	}
}

// admit makes sure that a connection is the client's, and connects it to sshd.
func (s *server) admit(rock *rocks.Conn) (*connection, error) {
	_ = rock.SetDeadline(time.Now().Add(greetTime))
	secret := make([]byte, talk.SecretSize)
	if _, err := io.ReadFull(rock, secret); err != nil {
		return nil, fmt.Errorf("%w (%w)", errStranger, err)
	}
	if !s.use(secret) {
		return nil, errStranger
	}
	sshd, err := net.DialTimeout("tcp", s.sshd.String(), greetTime)
	if err != nil {
		err = fmt.Errorf("connect to sshd: %w", err)
		return nil, errors.Join(err, talk.Welcome(rock, err))
	}
	if err := talk.Welcome(rock, nil); err != nil {
		return nil, errors.Join(err, sshd.Close())
	}
	_ = rock.SetDeadline(time.Time{})
	return &connection{rock, sshd.(*net.TCPConn)}, nil
}

// use says whether a secret is the right one, for the first who knows it.
func (s *server) use(secret []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret == nil || subtle.ConstantTimeCompare(secret, s.secret) != 1 {
		return false
	}
	s.secret = nil
	return true
}
