package criu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// socketPair returns the two ends of the RPC socket, both close-on-exec. CRIU
// looks up the descriptors that requests name in the process that made the pair.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	// Only our end: CRIU expects to block.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("set up socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "criu rpc"), os.NewFile(uintptr(fds[1]), "criu rpc peer"), nil
}

// conn is our end of the RPC socket.
type conn struct {
	file *os.File
	raw  syscall.RawConn
}

func newConn(file *os.File) (*conn, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &conn{file, raw}, nil
}

func (c *conn) close() { c.file.Close() }

// shut makes receive return io.EOF once it has returned all that has come. It is
// for the case that CRIU is gone but a child of its keeps the other end open.
func (c *conn) shut() {
	c.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// send sends a request as one message.
func (c *conn) send(req *rpc.CriuReq) error {
	b, err := proto.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	var sent error
	err = c.raw.Write(func(fd uintptr) bool {
		sent = ignoringEINTR(func() error { return unix.Sendmsg(int(fd), b, nil, nil, unix.MSG_NOSIGNAL) })
		return sent != unix.EAGAIN
	})
	if err == nil {
		err = sent
	}
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	return nil
}

// receive returns the next response, of whatever size, with the descriptor that
// came along, if one did. io.EOF means that CRIU has closed the socket.
func (c *conn) receive() (*rpc.CriuResp, *os.File, error) {
	// Peek at the length; a message of no length is the end.
	size, _, err := c.recvmsg(nil, nil, unix.MSG_PEEK|unix.MSG_TRUNC)
	if err != nil {
		return nil, nil, fmt.Errorf("receive response: %w", err)
	}
	if size == 0 {
		return nil, nil, io.EOF
	}
	b, oob := make([]byte, size), make([]byte, unix.CmsgSpace(4))
	size, oobn, err := c.recvmsg(b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("receive response: %w", err)
	}
	file, err := passedFile(oob[:oobn])
	if err != nil {
		return nil, nil, fmt.Errorf("receive descriptor: %w", err)
	}
	resp := new(rpc.CriuResp)
	if err := proto.Unmarshal(b[:size], resp); err != nil {
		if file != nil {
			file.Close()
		}
		return nil, nil, fmt.Errorf("decode response of %d bytes: %w", size, err)
	}
	return resp, file, nil
}

// recvmsg waits for a message. It says 0 bytes at the end.
func (c *conn) recvmsg(b, oob []byte, flags int) (n, oobn int, err error) {
	var got error
	err = c.raw.Read(func(fd uintptr) bool {
		got = ignoringEINTR(func() (err error) {
			n, oobn, _, _, err = unix.Recvmsg(int(fd), b, oob, flags)
			return err
		})
		return got != unix.EAGAIN
	})
	if err == nil {
		err = got
	}
	// Killed with a request unread, CRIU leaves a reset instead of an end.
	if errors.Is(err, unix.ECONNRESET) {
		return 0, 0, nil
	}
	return n, oobn, err
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// passedFile returns the descriptor in a control message, nil if there is none.
func passedFile(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds[min(1, len(fds)):] {
			unix.Close(fd)
		}
		if len(fds) > 0 {
			return os.NewFile(uintptr(fds[0]), "from criu"), nil
		}
	}
	return nil, nil
}
