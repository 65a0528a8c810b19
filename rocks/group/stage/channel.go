package stage

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"

	"github.com/vmihailenco/msgpack/v5"
	"golang.org/x/sys/unix"
)

// maxMessage bounds a message in bytes. Both ends are the same program, so only a
// fault of ours could exceed it.
const maxMessage = 64 << 10

// maxFiles bounds the descriptors that come with a message.
const maxFiles = 4

// A Channel carries messages, some with descriptors, between front and supervisor.
// One goroutine may send while another receives.
type Channel struct{ conn *net.UnixConn }

// NewPair returns one end of a new channel and the descriptor of the other, which
// is for [Start] and [Open] in another process.
func NewPair() (*Channel, int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("make socket pair: %w", err)
	}
	c, err := Open(fds[0])
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, -1, err
	}
	return c, fds[1], nil
}

// Open takes over a descriptor from NewPair.
func Open(fd int) (*Channel, error) {
	f := os.NewFile(uintptr(fd), "channel")
	if f == nil {
		return nil, fmt.Errorf("open channel: %w", unix.EBADF)
	}
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, errors.New("open channel: not a Unix socket")
	}
	return &Channel{u}, nil
}

// Descriptor returns the channel's descriptor, which stays its own.
func (c *Channel) Descriptor() (int, error) { return DescriptorOf(c.conn) }

// Close ends the channel; the other end receives io.EOF.
func (c *Channel) Close() error { return c.conn.Close() }

// CloseWrite says that nothing more is sent; the other end receives io.EOF, and may still send.
func (c *Channel) CloseWrite() error { return c.conn.CloseWrite() }

// Send sends m with duplicates of files, which stay the caller's.
func (c *Channel) Send(m Message, files ...*os.File) error {
	b, err := msgpack.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message %q: %w", m.kind(), err)
	}
	var oob []byte
	if len(files) > 0 {
		fds, err := descriptors(files)
		if err != nil {
			return fmt.Errorf("send message %q: %w", m.kind(), err)
		}
		oob = unix.UnixRights(fds...)
		defer runtime.KeepAlive(files)
	}
	if _, _, err := c.conn.WriteMsgUnix(append([]byte{m.kind()}, b...), oob, nil); err != nil {
		return fmt.Errorf("send message %q: %w", m.kind(), err)
	}
	return nil
}

// descriptors returns those of files. Fd would make them block, for others too.
func descriptors(files []*os.File) ([]int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fd, err := DescriptorOf(f)
		if err != nil {
			return nil, err
		}
		fds[i] = fd
	}
	return fds, nil
}

// Receive waits for the next message and the descriptors that come with it, which
// are close-on-exec. It returns io.EOF if the other process is gone.
func (c *Channel) Receive() (Message, []*os.File, error) {
	b := make([]byte, maxMessage)
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, _, _, err := c.conn.ReadMsgUnix(b, oob)
	if errors.Is(err, unix.ECONNRESET) || err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, nil, err
	}
	files, err := filesIn(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	m, err := decode(b[:n])
	if err != nil {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, nil, err
	}
	return m, files, nil
}

func filesIn(oob []byte) ([]*os.File, error) {
	control, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("parse control message: %w", err)
	}
	var files []*os.File
	for i := range control {
		fds, err := unix.ParseUnixRights(&control[i])
		if err != nil {
			return nil, fmt.Errorf("parse control message: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func decode(b []byte) (Message, error) {
	switch b[0] {
	case 'p':
		return as[Plan](b[1:])
	case 's':
		return as[Started](b[1:])
	case 'g':
		return as[Progress](b[1:])
	case 'r':
		return as[Ready](b[1:])
	case 'o':
		return as[Go](b[1:])
	case 'f':
		return as[Failed](b[1:])
	case 't':
		return as[Stopped](b[1:])
	case 'c':
		return as[Continued](b[1:])
	case 'x':
		return as[Exited](b[1:])
	case 'k':
		return as[Checkpointed](b[1:])
	case 'm':
		return as[Migrated](b[1:])
	case 'w':
		return as[Watch](b[1:])
	case 'i':
		return as[Inherited](b[1:])
	case 'a':
		return as[Waited](b[1:])
	}
	return nil, fmt.Errorf("unknown message %q", b[0])
}

func as[T Message](b []byte) (Message, error) {
	var m T
	if err := msgpack.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decode message %q: %w", m.kind(), err)
	}
	return m, nil
}
