package interpose

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// programOthers makes calls that are none of our business: DIRECTORY.
func programOthers(args []string) error {
	name := filepath.Join(args[0], "s")
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	fmt.Println("unix bind", unix.Bind(l, &unix.SockaddrUnix{Name: name}))
	fmt.Println("unix listen", unix.Listen(l, 1))
	c, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	fmt.Println("unix connect", unix.Connect(c, &unix.SockaddrUnix{Name: name}))
	a, _, err := unix.Accept(l)
	fmt.Println("unix accept", a >= 0, err)
	udp, _ := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	fmt.Println("udp connect", connect(udp, netip.MustParseAddrPort("127.0.0.1:9"), unix.AF_INET), remoteAddr(udp))
	tcp, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	_, err = unix.Getpeername(tcp)
	fmt.Println("tcp peer", err)
	fmt.Println("tcp shut", unix.Shutdown(tcp, unix.SHUT_RDWR))
	fmt.Println("bad fd", unix.Listen(999, 1), connect(999, netip.MustParseAddrPort("127.0.0.1:9"), unix.AF_INET))
	_, _, err = unix.Accept(int(os.Stdin.Fd()))
	fmt.Println("not a socket", err)
	_, _, err = unix.Accept(tcp)
	fmt.Println("not listening", err)
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(tcp), 1, 16)
	fmt.Println("bad pointer", errno)
	return connectSelf()
}

// connectSelf connects a socket to itself, which TCP can.
func connectSelf() error {
	fd, _, err := newSocketFor(netip.MustParseAddrPort("127.0.0.1:0"), unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	err = connect(fd, localAddr(fd), unix.AF_INET)
	if err == unix.EINPROGRESS {
		err = awaitConnected(fd)
	}
	fmt.Println("connect to itself", err, remoteAddr(fd) == localAddr(fd))
	n, err := unix.Write(fd, []byte("me"))
	fmt.Println("write", n, err)
	b := make([]byte, 8)
	pollFor(fd, unix.POLLIN, -1)
	n, err = unix.Read(fd, b)
	fmt.Println("read", string(b[:max(n, 0)]), err)
	return nil
}

// programShare connects, then uses the connection from a duplicate, and from a
// socket passed over a Unix socket: ADDRESS TEXT.
func programShare(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	early, err := unix.Dup(fd)
	if err != nil {
		return err
	}
	if err := connect(fd, addr, family); err != nil {
		return err
	}
	fmt.Println("early duplicate", remoteAddr(early))
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	_ = unix.Close(fd)
	_ = unix.Close(early)
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), oob, 0)
	if err != nil {
		return err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return err
	}
	return converse(fds[0], args[1])
}
