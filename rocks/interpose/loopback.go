package interpose

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// legHome is where the supervisor's ends of legs live: a random address of
// 127.0.0.0/8, so that no port of 127.0.0.1 is taken from programs.
type legHome struct{ v4 netip.Addr }

// address returns the address for a leg of the program's socket fd. An IPv6
// socket reaches an IPv4 leg by its v4-mapped address, unless it is V6ONLY.
func (h legHome) address(fd, family int) netip.Addr {
	if v6only(fd, family) {
		return netip.IPv6Loopback()
	}
	return h.v4
}

// connectLeg connects the program's own socket, blocked in a trapped call and
// unconnected, to the supervisor and returns the supervisor's end.
func connectLeg(home legHome, program, family int) (*net.TCPConn, error) {
	ours := unix.AF_INET
	addr := home.address(program, family)
	if addr.Is6() {
		ours = unix.AF_INET6
	}
	fd, err := listenLoopback(ours, addr)
	if err != nil {
		return nil, fmt.Errorf("open leg: %w", err)
	}
	defer unix.Close(fd)
	if err := connectOwn(program, localAddr(fd), family); err != nil {
		return nil, fmt.Errorf("open leg: connect the program's socket: %w", err)
	}
	want := localAddr(program)
	for {
		end, sa, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open leg: accept: %w", err)
		}
		if addrOf(sa) == want {
			return tcpConn(end)
		}
		unix.Close(end) // somebody else's: not a leg
	}
}

// deadEnd returns our end of a leg whose other end is closed already.
func deadEnd(home legHome) (*net.TCPConn, error) {
	fd, err := streamSocket(unix.AF_INET, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return connectLeg(home, fd, unix.AF_INET)
}

// connectOwn connects over loopback, where the handshake is over before a
// non-blocking call has returned.
func connectOwn(fd int, addr netip.AddrPort, family int) error {
	err := connect(fd, addr, family)
	if errors.Is(err, unix.EINPROGRESS) {
		return awaitConnected(fd)
	}
	return err
}

func listenLoopback(family int, addr netip.Addr) (int, error) {
	fd, err := streamSocket(family, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // over TIME_WAIT of older legs
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(addr, 0), family)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind %v: %w", addr, err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on %v: %w", addr, err)
	}
	return fd, nil
}

// tcpConn turns a connected descriptor of ours into a *net.TCPConn.
func tcpConn(fd int) (*net.TCPConn, error) {
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close() // FileConn works on a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("adopt socket: %w", err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("adopt socket: %T is not TCP", c)
	}
	return tcp, nil
}
