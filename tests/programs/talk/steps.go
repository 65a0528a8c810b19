package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func (t *talker) dial(address string) (string, error) {
	var err error
	t.conn, t.remote, err = socket(address)
	return "", err
}

func (t *talker) listen(address string) (string, error) {
	fd, local, err := socket(address)
	if err != nil {
		return "", err
	}
	t.listener = fd
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", err
	}
	if err := unix.Bind(fd, local); err != nil {
		return "", err
	}
	return "", unix.Listen(fd, 16)
}

func (t *talker) accept(string) (string, error) {
	return "", restarting(func() (err error) {
		t.conn, _, err = unix.Accept4(t.listener, unix.SOCK_CLOEXEC)
		return err
	})
}

func (t *talker) wait(string) (string, error) {
	fds := []unix.PollFd{{Fd: int32(t.conn), Events: unix.POLLOUT}}
	poll := func() error { _, err := unix.Poll(fds, -1); return err }
	if err := restarting(poll); err != nil {
		return "", err
	}
	// The kernel raises the events of a failure one after the other.
	time.Sleep(20 * time.Millisecond)
	if err := restarting(poll); err != nil {
		return "", err
	}
	var names []string
	for bit, name := range []string{"IN", "PRI", "OUT", "ERR", "HUP", "NVAL"} {
		if fds[0].Revents&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|"), nil
}

func (t *talker) socketError(string) (string, error) {
	code, err := unix.GetsockoptInt(t.conn, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return "", err
}

func (t *talker) peer(string) (string, error) {
	sa, err := unix.Getpeername(t.conn)
	if err != nil {
		return "", err
	}
	return addrPort(sa).String(), nil
}

func (t *talker) local(string) (string, error) {
	sa, err := unix.Getsockname(t.conn)
	if err != nil {
		return "", err
	}
	return addrPort(sa).Addr().String() + " port", nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func (t *talker) send(text string) (string, error) {
	return "", restarting(func() error { return unix.Send(t.conn, []byte(text), unix.MSG_NOSIGNAL) })
}

func (t *talker) recv(string) (string, error) {
	buf := make([]byte, 64<<10)
	n := 0
	err := restarting(func() (err error) {
		n, _, err = unix.Recvfrom(t.conn, buf, 0)
		return err
	})
	if err == nil && n == 0 {
		return "end", nil
	}
	return fmt.Sprintf("%q", buf[:max(n, 0)]), err
}

func (t *talker) recvAll(string) (string, error) {
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(t.conn, buf, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Sprintf("%q then %s", all, errorName(err)), nil
		case n == 0:
			return fmt.Sprintf("%q then end", all), nil
		default:
			all = append(all, buf[:n]...)
		}
	}
}

// reset closes so that the peer gets a RST instead of a FIN.
func (t *talker) reset(string) (string, error) {
	err := unix.SetsockoptLinger(t.conn, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err != nil {
		return "", err
	}
	return "", unix.Close(t.conn)
}
