package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/remote/talk"
)

// directions tell the proxy command where rockd is.
type directions struct {
	Ways   []string `json:"ways"` // addresses with ports, to be tried in turn
	Secret []byte   `json:"secret"`
}

// guide gives directions to who comes to a Unix socket in a directory of the user's own.
type guide struct {
	listener net.Listener
	work     sync.WaitGroup
}

func startGuide(dir string, d directions) (*guide, error) {
	l, err := net.Listen("unix", filepath.Join(dir, "directions"))
	if err != nil {
		return nil, fmt.Errorf("open socket for the proxy command: %w", err)
	}
	g := &guide{listener: l}
	g.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_ = json.NewEncoder(conn).Encode(d) // who has left has no need of it
			_ = conn.Close()
		}
	})
	return g, nil
}

func (g *guide) path() string { return g.listener.Addr().String() }

func (g *guide) close() {
	_ = g.listener.Close()
	g.work.Wait()
}

const (
	dialTime  = 15 * time.Second
	greetTime = 30 * time.Second // rockd connects to sshd meanwhile
)

// Pass is the proxy command (ssh_config(5), ProxyUseFdpass): it gets its directions at a Unix socket, connects to rockd, and
// passes the connection to ssh through out, which is a Unix socket too. It runs under rock, and what it connects is a rock.
func Pass(socket string, out *os.File) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("ask for directions: %w", err)
	}
	defer conn.Close()
	var d directions
	if err := json.NewDecoder(io.LimitReader(conn, 64<<10)).Decode(&d); err != nil {
		return fmt.Errorf("ask for directions: %w", err)
	}
	var errs []error
	for _, way := range d.Ways {
		rock, err := reach(way, d.Secret)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defer rock.Close()
		return hand(rock, out)
	}
	return fmt.Errorf("reach rockd: %w", errors.Join(errs...))
}

func reach(way string, secret []byte) (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", way, dialTime)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(greetTime))
	if err := talk.Greet(conn, secret); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", way, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return conn.(*net.TCPConn), nil
}

// hand passes a connection on, with the one byte that ssh wants to see with it.
func hand(conn *net.TCPConn, out *os.File) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(int(out.Fd()), []byte{0}, unix.UnixRights(int(fd)), nil, 0)
	})
	if err = errors.Join(err, sent); err != nil {
		return fmt.Errorf("pass the connection to ssh: %w", err)
	}
	return nil
}
