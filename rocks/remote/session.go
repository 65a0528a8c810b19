package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"rock/rocks/remote/talk"
)

// Options say how to protect a connection.
type Options struct {
	User    string        // as whom rockd is to run; "" for the command's user
	Install bool          // copy rockd there if it is missing
	Timeout time.Duration // for which the connection may be without a link; 0 as rockd has it
	Self    string        // path of this program, which is the proxy command with --pass
	Meet    []string      // servers of a rendezvous that this end knows, for the other
	Logger  *slog.Logger
}

// Session is a protected way to one host, for one connection.
type Session struct {
	command *Command
	options Options
	ssh     ssh
	dir     string // of the user's own, for a key and a socket
	helper  *helper
	key     *key // that is let in; nil: none is needed, or possible
	guide   *guide
	carrier *carrier // nil: rockd's port can be reached
}

// Open starts rockd on the host of a command. Questions of ssh's go to the terminal. The error is a [*MissingError] if there is no
// rockd. If ctx is done before all is there, nothing is left of it.
func Open(ctx context.Context, c *Command, o Options) (_ *Session, err error) {
	s := &Session{command: c, options: o, ssh: c.ssh(o.User)}
	if s.dir, err = os.MkdirTemp("", "rock-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if o.Install {
		s.ssh.master = filepath.Join(s.dir, "master")
		defer s.ssh.stopMaster()
	}
	s.helper, err = startHelper(ctx, s.ssh)
	if gone := (*MissingError)(nil); errors.As(err, &gone) && o.Install {
		if err := install(ctx, s.ssh, gone.Kind); err != nil {
			return nil, err
		}
		asked := s.helper.asked
		s.helper, err = startHelper(ctx, s.ssh)
		s.helper.asked = s.helper.asked || asked // the second has shared the connection of the first
	}
	if err != nil {
		s.helper = nil
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = s.helper.cmd.Process.Kill() })()
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return s, nil
}

// prepare tells rockd who comes and finds a way to it.
func (s *Session) prepare(ctx context.Context) (err error) {
	request := &talk.Request{Version: talk.Version, Secret: talk.NewSecret(), Timeout: int(s.options.Timeout.Seconds()),
		Rendezvous: s.options.Meet}
	if s.helper.asked && s.options.User == "" {
		if s.key, err = newKey(ctx, s.dir, "key"); err != nil {
			return err
		}
		request.Key = s.key.public
	}
	ready, err := s.request(request)
	if err != nil {
		return err
	}
	if s.key != nil && ready.KeyRefused != "" {
		s.options.Logger.Warn("the user may be asked twice", "error", ready.KeyRefused)
		s.key = nil
	}
	d := directions{Ways: s.reachable(ctx, ready), Secret: request.Secret}
	if len(d.Ways) == 0 {
		s.options.Logger.Info("rockd's port cannot be reached", "port", ready.Port)
		if err := s.carry(ctx, ready); err != nil {
			return err
		}
		d.Ways = []string{s.carrier.address()}
	}
	if s.guide, err = startGuide(s.dir, d); err != nil {
		return err
	}
	go s.release()
	return nil
}

// request says who comes.
func (s *Session) request(r *talk.Request) (*talk.Ready, error) {
	if err := s.helper.talk.Send(talk.Message{Request: r}); err != nil {
		return nil, err
	}
	m, err := s.helper.talk.Receive()
	if err != nil {
		return nil, fmt.Errorf("rockd: %w", err)
	}
	if m.Ready == nil {
		return nil, errors.New("rockd does not say where it listens")
	}
	return m.Ready, nil
}

// release lets the first ssh go when the connection is there.
func (s *Session) release() {
	if m, err := s.helper.talk.Receive(); err != nil || m.Served == nil {
		s.options.Logger.Warn("rockd has not been reached", "error", err)
		return
	}
	// By itself it would not end: sshd waits for rockd, which goes on.
	_ = s.helper.cmd.Process.Kill()
}

// carry has links come through ssh.
func (s *Session) carry(ctx context.Context, ready *talk.Ready) error {
	options := []string{"-oBatchMode=yes", "-oControlMaster=no", "-oControlPath=none", "-oConnectTimeout=10", "-oServerAliveInterval=5", "-oServerAliveCountMax=3"}
	if s.helper.asked {
		k, err := newKey(ctx, s.dir, "link")
		if err != nil {
			return err
		}
		if err := s.helper.talk.Send(talk.Message{Carry: &talk.Carry{Key: k.public}}); err != nil {
			return err
		}
		m, err := s.helper.talk.Receive()
		if err != nil {
			return fmt.Errorf("rockd: %w", err)
		}
		if m.Carried == nil || m.Carried.KeyRefused != "" {
			return fmt.Errorf("rockd's port %d cannot be reached, and a link through ssh would ask for a password each time: "+
				"open the port, or use a key", ready.Port)
		}
		options = append(options, k.options()...)
	}
	attach := func() *exec.Cmd {
		return s.ssh.command(options, findRockd+"exec rockd attach "+strconv.Itoa(int(ready.Port)))
	}
	var err error
	s.carrier, err = startCarrier(ready.Announcement, attach, s.options.Logger)
	return err
}

// Command returns the command line that is to run under rock.
func (s *Session) Command() []string {
	proxy := word(s.options.Self) + " --pass " + word(s.guide.path())
	first := []string{"-oProxyCommand=" + literal(proxy), "-oProxyUseFdpass=yes",
		"-oControlMaster=no", "-oControlPath=none"}
	if s.key != nil {
		first = append(first, s.key.options()...)
	}
	// What is dead is a rock's to find out, and ssh would give up.
	return s.command.with(first, []string{"-oServerAliveInterval=0"})
}

// Close ends what was there for the connection, and waits a moment for its last bytes. A connection that has a port of rockd's is
// not touched.
func (s *Session) Close() {
	if s.guide != nil {
		s.guide.close()
	}
	if s.helper != nil {
		s.helper.close()
	}
	if s.carrier != nil {
		s.carrier.close()
	}
	_ = os.RemoveAll(s.dir)
}
