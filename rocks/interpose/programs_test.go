package interpose

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The programs under test. They use system calls directly, since package net
// would never block in connect or accept.
var programs = map[string]func(args []string) error{
	"connect":    programConnect,
	"connect-nb": programConnectNonblocking,
	"serve":      programServe,
	"serve-nb":   programServeEpoll,
	"interrupt":  programInterrupt,
	"relisten":   programRelisten,
	"others":     programOthers,
	"share":      programShare,
	"repeat":     programRepeat,
	"once":       programOnce,
	"reset":      programReset,
	"told":       programTold,
	"abort":      programAbort,
	"await":      programAwait,
	"from":       programConnectFrom,

	"reuseport":    programReuseport,
	"deferred":     programDeferred,
	"flood":        programFlood,
	"flood-server": programFloodServer,
	"serve-late":   programServeLate,
	"accept-late":  programAcceptLate,
	"pour":         programPour,
	"swallow":      programSwallow,
}

func newSocketFor(addr netip.AddrPort, flags int) (int, int, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|flags, 0)
	return fd, family, err
}

// transcript of a client: names, then everything that the server sends until
// its end, then how it ended.
func converse(fd int, send string) error {
	fmt.Println("peer", remoteAddr(fd))
	fmt.Println("named", localAddr(fd).Port() != 0)
	if _, err := unix.Write(fd, []byte(send)); err != nil {
		fmt.Println("write", err)
	}
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	n, err := readAll(fd, os.Stdout)
	fmt.Printf("\nend after %d bytes: %v\n", n, err)
	return unix.Close(fd)
}

func readAll(fd int, w io.Writer) (int, error) {
	total := 0
	b := make([]byte, 65536)
	for {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			_, _ = unix.Poll(p, -1)
			continue
		case err != nil:
			return total, err
		case n == 0:
			return total, nil
		}
		_, _ = w.Write(b[:n])
		total += n
	}
}

// programConnect connects with a blocking socket: ADDRESS TEXT.
func programConnect(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	if err := connect(fd, addr, family); err != nil {
		fmt.Println("connect:", err)
		return nil
	}
	return converse(fd, args[1])
}

// watchedEvents is all that an epoll can tell of a connect.
const watchedEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP

// programConnectNonblocking connects with a non-blocking socket that an
// edge-triggered epoll watches from before: ADDRESS TEXT.
func programConnectNonblocking(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: watchedEvents | unix.EPOLLET})
	if err != nil {
		return err
	}
	drainEpoll(ep) // the unconnected socket hangs up
	err = connect(fd, addr, family)
	fmt.Println("connect:", err)
	if err != unix.EINPROGRESS {
		return nil
	}
	events := make([]unix.EpollEvent, 1)
	for {
		n, err := unix.EpollWait(ep, events, -1)
		if n == 1 {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	fmt.Println("outcome:", syscall.Errno(errno).Error(), "events:", events[0].Events)
	if errno != 0 {
		errno, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		fmt.Println("asked again:", errno)
		n, err := unix.Read(fd, make([]byte, 1))
		fmt.Println("read:", n, err)
		return connectAfterFailure(fd, family)
	}
	fmt.Println("connect again:", connect(fd, addr, family))
	fmt.Println("and again:", connect(fd, addr, family))
	return converse(fd, args[1])
}

// connectAfterFailure uses a socket whose connect has failed for another one, to a server of its own.
func connectAfterFailure(fd, family int) error {
	home := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	if family == unix.AF_INET6 {
		home = netip.AddrPortFrom(netip.IPv6Loopback(), 0)
	}
	l, _, err := newSocketFor(home, 0)
	if err == nil {
		err = errors.Join(unix.Bind(l, sockaddr(home, family)), unix.Listen(l, 8), unix.SetNonblock(fd, false))
	}
	if err != nil {
		return err
	}
	go serveAll(l)
	if err := connect(fd, localAddr(l), family); err != nil {
		err = connect(fd, localAddr(l), family) // the kernel may tell once more that the first one failed
		if err != nil {
			return err
		}
	}
	n, err := unix.Write(fd, []byte("once more"))
	fmt.Println("write:", n, err, unix.Shutdown(fd, unix.SHUT_WR))
	_, err = readAll(fd, os.Stdout)
	return err
}

func drainEpoll(ep int) {
	events := make([]unix.EpollEvent, 4)
	for {
		if n, _ := unix.EpollWait(ep, events, 0); n <= 0 {
			return
		}
	}
}

func listenOn(addr netip.AddrPort, flags int) (int, error) {
	fd, family, err := newSocketFor(addr, flags)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, sockaddr(addr, family)); err != nil {
		return -1, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, 128); err != nil {
		return -1, fmt.Errorf("listen: %w", err)
	}
	fmt.Println(localAddr(fd))
	return fd, nil
}

// echo answers a connection with what it sent, in capitals, and its name.
func echo(fd int, from unix.Sockaddr) {
	named := addrOf(from) == remoteAddr(fd)
	var text strings.Builder
	_, err := readAll(fd, &text)
	reply := fmt.Sprintf("%s named=%v err=%v", strings.ToUpper(text.String()), named, err)
	_, _ = unix.Write(fd, []byte(reply))
	_ = unix.Close(fd)
}

// programServe accepts, blocking, until standard input ends: ADDRESS.
func programServe(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	go serveAll(fd)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveAll(fd int) {
	for {
		c, from, err := unix.Accept(fd)
		if err != nil {
			return
		}
		go echo(c, from)
	}
}

// programServeEpoll accepts N connections, edge-triggered, and checks that
// nothing is left over: ADDRESS N.
func programServeEpoll(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	var want int
	if _, err := fmt.Sscan(args[1], &want); err != nil {
		return err
	}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET})
	if err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 1)
	for got := 0; got < want; {
		if n, err := unix.EpollWait(ep, events, -1); n < 1 {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return err
		}
		for {
			c, from, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				return err
			}
			got++
			go echo(c, from)
		}
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, _ := unix.Poll(p, 0)
	_, _, err = unix.Accept4(fd, 0)
	fmt.Println("left over:", n, err)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// programInterrupt is sent SIGUSR1 while it blocks in accept, with a handler
// that the kernel restarts calls after: ADDRESS.
func programInterrupt(args []string) error {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGUSR1)
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	go func() {
		<-caught
		fmt.Println("caught")
	}()
	c, from, err := unix.Accept(fd)
	for err == unix.EINTR {
		c, from, err = unix.Accept(fd)
	}
	if err != nil {
		return err
	}
	echo(c, from)
	return nil
}

// programRelisten closes its listener and listens on the same port at once,
// each time that it is told to: ADDRESS.
func programRelisten(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	in := bufio.NewScanner(os.Stdin)
	fd, err := listenOn(addr, 0)
	if err != nil {
		return err
	}
	for in.Scan() {
		addr = localAddr(fd)
		_ = unix.Close(fd)
		if in.Text() == "close" {
			fmt.Println("closed")
			continue
		}
		if fd, err = listenOn(addr, 0); err != nil {
			return err
		}
	}
	return nil
}
