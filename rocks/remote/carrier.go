package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks"
	"rock/rocks/detect"
)

const (
	// mostCarried bounds the links under way at once: the rock has use for one, and tries a few.
	mostCarried = 4
	// speakTime is how long who connects may say nothing.
	speakTime = 15 * time.Second
	// orderlyTime is how long an ssh may take to end with its link.
	orderlyTime = time.Second
	// partingTime is how long links may take to deliver the last bytes.
	partingTime = 3 * time.Second
)

// carrier is rockd's port on this host, if the real one cannot be reached: it carries every link through an ssh of its own.
type carrier struct {
	network      rocks.Network
	listener     net.Listener
	announcement []byte // rockd's
	attach       func() *exec.Cmd
	log          *slog.Logger
	work         sync.WaitGroup // all but the ssh
	links        sync.WaitGroup // the ssh

	mu     sync.Mutex
	under  []*exec.Cmd // the ssh that are under way, oldest first
	closed bool
}

func startCarrier(announcement []byte, attach func() *exec.Cmd, log *slog.Logger) (*carrier, error) {
	c := &carrier{network: rocks.System(), announcement: announcement, attach: attach, log: log}
	var err error
	c.listener, err = c.network.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("open a port for links through ssh: %w", err)
	}
	c.work.Go(func() {
		for {
			conn, err := c.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // too many descriptors, for instance
				time.Sleep(100 * time.Millisecond)
				continue
			}
			c.work.Go(func() { c.serve(conn) })
		}
	})
	return c, nil
}

func (c *carrier) address() string { return c.listener.Addr().String() }

// serve answers a probe as rockd would, and carries a connection on which something is said.
func (c *carrier) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(speakTime))
	speaks, err := peek(conn.(*net.TCPConn))
	switch {
	case err != nil:
	case speaks:
		_ = conn.SetDeadline(time.Time{})
		if err := c.carry(conn.(*net.TCPConn)); err != nil {
			c.log.Warn("no link through ssh", "error", err)
		}
	case c.network.SYNMSS(conn) == detect.ProbeMSS:
		_, _ = conn.Write(c.announcement)
	}
}

// peek waits for the first byte and leaves it there. Without one the connection has ended.
func peek(conn *net.TCPConn) (speaks bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for failed = unix.EINTR; errors.Is(failed, unix.EINTR); {
			n, _, failed = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
		}
		return !errors.Is(failed, unix.EAGAIN)
	})
	return n > 0, errors.Join(err, failed)
}

// carry starts an ssh whose input and output the connection is.
func (c *carrier) carry(conn *net.TCPConn) error {
	f, err := conn.File()
	if err != nil {
		return err
	}
	cmd := c.attach()
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not for the keys of the terminal
	if err := c.start(cmd); err != nil {
		f.Close()
		return err
	}
	c.work.Go(func() {
		defer f.Close()
		c.outlive(f, cmd)
	})
	go func() {
		defer c.links.Done()
		err := cmd.Wait()
		_ = unix.Shutdown(int(f.Fd()), unix.SHUT_RDWR)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.under = slices.DeleteFunc(c.under, func(other *exec.Cmd) bool { return other == cmd })
		c.log.Info("link through ssh has ended", "status", err, "ssh", strings.TrimSpace(complaint.String()))
	}()
	return nil
}

// outlive waits until the rock has given a link up, or its ssh has ended. An ssh that has no network would not end for long.
func (c *carrier) outlive(f *os.File, cmd *exec.Cmd) {
	ends := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLRDHUP}}
	for {
		if _, err := unix.Poll(ends, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	time.Sleep(orderlyTime)
	_ = cmd.Process.Kill() // an error says that it has ended
}

// start starts an ssh, in the place of the oldest if there are too many: that hangs.
func (c *carrier) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if len(c.under) >= mostCarried {
		_ = c.under[0].Process.Kill()
		c.under = c.under[1:]
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start ssh: %w", err)
	}
	c.links.Add(1)
	c.under = append(c.under, cmd)
	return nil
}

// close waits a moment for the links that there are, and ends them.
func (c *carrier) close() {
	_ = c.listener.Close()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		c.links.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(partingTime):
	}
	c.mu.Lock()
	for _, cmd := range c.under {
		_ = cmd.Process.Kill()
	}
	c.mu.Unlock()
	<-ended
	c.work.Wait()
}
