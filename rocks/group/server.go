package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// Answers is what a group does through its control socket. Its methods are called by several
// goroutines at once. Info and Rocks must not block.
type Answers interface {
	Info() Info
	Rocks() []Rock
	// Checkpoint writes the group into an image. It gives up if it still can when ctx is done.
	Checkpoint(ctx context.Context, o CheckpointOptions, d Dialogue) (*CheckpointReport, error)
	// Migrate hands the group over to another host, which is reached through link; it closes that. It gives
	// up if it still can when ctx is done.
	Migrate(ctx context.Context, o MigrateOptions, link Transport, d Dialogue) (*MigrateReport, error)
	// Leave ends what is left here of a group that has gone elsewhere.
	Leave() error
}

const (
	// clientTime bounds how long a client may take for a request or to take its reply.
	clientTime = 5 * time.Second
	// maxClients bounds the clients served at once; more wait in the backlog.
	maxClients = 16
)

// Server answers requests on a group's control socket. No client can hold up the group or, beyond
// clientTime, another client.
type Server struct {
	listener *net.UnixListener
	answers  Answers
	log      *slog.Logger
	places   chan struct{} // one for each client that is being served
	end      context.Context
	stop     context.CancelCauseFunc // ends it
	work     sync.WaitGroup

	mu      sync.Mutex
	clients map[net.Conn]struct{}
	closed  bool
}

// Serve starts to answer on the control socket at path, until Close.
func Serve(path string, answers Answers, log *slog.Logger) (*Server, error) {
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	return serve(l, answers, log), nil
}

// ServeOn is Serve on the control socket of a supervisor that has died, which it takes over. Who has connected meanwhile is served.
func ServeOn(socket *os.File, answers Answers, log *slog.Logger) (*Server, error) {
	defer socket.Close()
	l, err := net.FileListener(socket)
	if err != nil {
		return nil, fmt.Errorf("take over control socket: %w", err)
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(errors.New("take over control socket: it is none"), l.Close())
	}
	u.SetUnlinkOnClose(false)
	return serve(u, answers, log), nil
}

func serve(l *net.UnixListener, answers Answers, log *slog.Logger) *Server {
	s := &Server{
		listener: l, answers: answers, log: log,
		places:  make(chan struct{}, maxClients),
		clients: make(map[net.Conn]struct{}),
	}
	s.end, s.stop = context.WithCancelCause(context.Background())
	s.work.Go(s.accept)
	return s
}

// Descriptor returns that of the control socket, which stays the Server's.
func (s *Server) Descriptor() (int, error) { return stage.DescriptorOf(s.listener) }

// Close ends all conversations, gives up what can be, and waits for the goroutines. Clients still get the replies that are
// due to them. It does not remove the socket.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.clients {
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
	s.mu.Unlock()
	s.stop(errClosed)
	err := s.listener.Close()
	s.work.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many descriptors, for instance
			s.log.Warn("control socket", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !s.admit(conn) {
			_ = conn.Close()
			continue
		}
		s.places <- struct{}{}
		s.work.Go(func() {
			defer func() { <-s.places }()
			defer s.dismiss(conn)
			s.converse(conn)
		})
	}
}

// admit says whether a client may ask, and keeps it for Close.
func (s *Server) admit(conn *net.UnixConn) bool {
	uid, err := peerUID(conn)
	if err != nil || uid != os.Geteuid() && uid != 0 {
		s.log.Warn("control client refused", "uid", uid, "error", err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[conn] = struct{}{}
	return !s.closed
}

func (s *Server) dismiss(conn *net.UnixConn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, conn)
}

// arm bounds the time for the next request, and says whether one is to be read.
func (s *Server) arm(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(clientTime))
	return !s.closed
}

// converse answers one request after the other.
func (s *Server) converse(conn *net.UnixConn) {
	in := &rightsReader{UnixConn: conn}
	for s.arm(conn) {
		var q Request
		err := readMessage(in, &q, MaxRequest)
		files := in.take()
		if err != nil {
			closeAll(files)
			return
		}
		r := s.answer(conn, q, files)
		_ = conn.SetWriteDeadline(time.Now().Add(clientTime))
		err = writeMessage(conn, r, MaxReply)
		if errors.Is(err, ErrTooLarge) {
			err = writeMessage(conn, &Reply{Version: Version, Error: err.Error()}, MaxReply)
		}
		if err != nil {
			return
		}
	}
}

// answer answers one request. The descriptors that came with it are its to close.
func (s *Server) answer(conn net.Conn, q Request, files []*os.File) *Reply {
	r := &Reply{Version: Version}
	migrates := q.Version == Version && q.Op == OpMigrate && q.Migrate != nil && len(files) == maxRights
	if !migrates {
		defer closeAll(files)
	}
	switch {
	case q.Version != Version:
		r.Error = fmt.Sprintf("control protocol version %d is not spoken here, %d is", q.Version, Version)
	case q.Op == OpPing:
	case q.Op == OpInfo:
		info := s.answers.Info()
		r.Info = &info
	case q.Op == OpConns:
		r.Rocks = s.answers.Rocks()
	case q.Op == OpCheckpoint && q.Checkpoint == nil:
		r.Error = "checkpoint: the request does not say where to"
	case q.Op == OpCheckpoint:
		s.checkpoint(conn, *q.Checkpoint, r)
	case migrates:
		s.migrate(conn, *q.Migrate, Transport{files[0], files[1]}, r)
	case q.Op == OpMigrate:
		r.Error = "migrate: the request does not say where to, or has no connection to there"
	case q.Op == OpLeave:
		r.fail(s.answers.Leave())
	default:
		r.Error = fmt.Sprintf("unknown operation %q", q.Op)
	}
	return r
}

// checkpoint has a checkpoint made.
func (s *Server) checkpoint(conn net.Conn, o CheckpointOptions, r *Reply) {
	ctx, d := s.newDialogue(conn)
	defer d.end()
	report, err := s.answers.Checkpoint(ctx, o, d)
	r.Report = report
	r.fail(err)
}

// migrate has the group go elsewhere.
func (s *Server) migrate(conn net.Conn, o MigrateOptions, link Transport, r *Reply) {
	ctx, d := s.newDialogue(conn)
	defer d.end()
	report, err := s.answers.Migrate(ctx, o, link, d)
	r.Moved = report
	r.fail(err)
}

// peerUID returns the user at the other end (SO_PEERCRED, unix(7)).
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}

// listenUnix listens at a path of any length, for this user only. What is at the path answers from the first moment.
func listenUnix(path string) (*net.UnixListener, error) {
	draft := path + ".new"
	short, done, err := shortPath(draft)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the short path is gone by then
	if err = os.Chmod(draft, 0o600); err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// shortPath returns another way to path that fits into a socket address, which has room for 107
// bytes: through the descriptor of the directory. It is good until done is called.
func shortPath(path string) (short string, done func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	return short, func() { _ = dir.Close() }, nil
}
