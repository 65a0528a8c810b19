package criu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// Starter starts the process that becomes CRIU. files are its descriptors from 3
// on; its standard streams and all else are the Starter's choice, but for this:
// the environment is to be [Environ], the process is to be a child of this one and
// to stay in its process group and its pid namespace. files stay the caller's.
//
// A restored tree inherits from CRIU: its cgroups, its seccomp filters, its limits.
type Starter func(path string, argv []string, files []*os.File) (*os.Process, error)

// Environ returns env without what would change CRIU's options.
func Environ(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(s string) bool {
		return strings.HasPrefix(s, "CRIU_CONFIG_FILE=")
	})
}

// startPlain is the Starter if the caller has none. stderr gets what CRIU says
// before it has a log. This process ignores SIGXFSZ from then on, so that CRIU does: see giveUp.
func startPlain(stderr *os.File) Starter {
	return func(path string, argv []string, files []*os.File) (*os.Process, error) {
		signal.Ignore(unix.SIGXFSZ)
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		return os.StartProcess(path, argv, &os.ProcAttr{
			Env:   Environ(os.Environ()),
			Files: append([]*os.File{null, null, stderr}, files...),
		})
	}
}

// session is one CRIU process and the RPC socket to it.
type session struct {
	conn  *conn
	proc  *os.Process
	ended chan struct{}    // closed when the process is reaped
	state *os.ProcessState // once ended; nil if somebody else has reaped it
	stop  func() bool      // detaches the context
}

// open starts CRIU, with files as its descriptors from 4 on. Every session is to
// be closed. CRIU is killed when ctx is done.
func open(ctx context.Context, path string, files []*os.File, start Starter) (*session, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	conn, err := newConn(ours)
	if err != nil {
		ours.Close()
		return nil, err
	}
	argv := []string{path, "--no-default-config", "swrk", "3"}
	proc, err := start(path, argv, append([]*os.File{theirs}, files...))
	if err != nil {
		conn.close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	s := &session{conn: conn, proc: proc, ended: make(chan struct{})}
	go func() {
		s.state, _ = proc.Wait()
		close(s.ended)
		conn.shut()
	}()
	s.stop = context.AfterFunc(ctx, func() { proc.Kill() })
	return s, nil
}

// careful has CRIU not be killed at once when ctx is done.
func (s *session) careful(ctx context.Context) {
	s.stop()
	s.stop = context.AfterFunc(ctx, s.giveUp)
}

// giveUpTime is how long CRIU may take to fail.
const giveUpTime = time.Second

// giveUp makes CRIU fail at the next byte that it writes to a file, so that it puts the tasks into order again. Killed it could
// not, and a task that just executes something for it would die.
func (s *session) giveUp() {
	if unix.Prlimit(s.proc.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{}, nil) == nil {
		select {
		case <-s.ended:
			return
		case <-time.After(giveUpTime):
		}
	}
	s.proc.Kill()
}

// close waits until CRIU has ended, which it does by itself after a response.
func (s *session) close() {
	<-s.ended
	s.stop()
	s.conn.close()
}

// abandon kills CRIU and closes the session.
func (s *session) abandon() {
	s.proc.Kill()
	s.close()
}

// died returns why CRIU has ended without a response.
func (s *session) died() error {
	s.close()
	if s.state == nil {
		return errors.New("criu ended")
	}
	switch status := s.state.Sys().(syscall.WaitStatus); {
	case status.Signaled():
		return fmt.Errorf("criu was killed (signal %d)", status.Signal())
	default:
		return fmt.Errorf("criu gave up (exit status %d)", status.ExitStatus())
	}
}

// do sends a request and serves notifications until the response is there, then
// waits for the end of CRIU. If there is no response, the error says why. The
// response may be that the request has failed. hook's first error is returned
// besides.
func (s *session) do(req *rpc.CriuReq, hook Hook) (resp *rpc.CriuResp, refused, err error) {
	if err := s.conn.send(req); err != nil {
		// EPIPE: it ended before it could read.
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return nil, nil, s.died()
		}
		s.abandon()
		return nil, nil, err
	}
	for {
		resp, file, err := s.conn.receive()
		if errors.Is(err, io.EOF) {
			return nil, refused, s.died()
		}
		if err != nil {
			s.abandon()
			return nil, refused, err
		}
		if resp.GetType() != rpc.CriuReqType_NOTIFY {
			if file != nil {
				file.Close()
			}
			s.close()
			return resp, refused, nil
		}
		err = notify(hook, resp.GetNotify(), file)
		if err != nil && refused == nil {
			refused = fmt.Errorf("%s: %w", resp.GetNotify().GetScript(), err)
		}
		reply := &rpc.CriuReq{
			Type:          rpc.CriuReqType_NOTIFY.Enum(),
			NotifySuccess: proto.Bool(err == nil),
		}
		// If this fails CRIU is gone, and receive says so.
		_ = s.conn.send(reply)
	}
}

func notify(hook Hook, n *rpc.CriuNotify, file *os.File) error {
	if hook == nil {
		if file != nil {
			file.Close()
		}
		return nil
	}
	return hook(Event{Script: n.GetScript(), PID: int(n.GetPid()), File: file})
}
