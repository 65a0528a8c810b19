package interpose

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// programRepeat connects again and again: ADDRESS TIMES.
func programRepeat(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	var times int
	if _, err := fmt.Sscan(args[1], &times); err != nil {
		return err
	}
	for i := range times {
		fd, family, err := newSocketFor(addr, 0)
		if err != nil {
			return err
		}
		if err := connect(fd, addr, family); err != nil {
			return fmt.Errorf("connect %d: %w", i, err)
		}
		_, _ = unix.Write(fd, []byte("hello"))
		_ = unix.Shutdown(fd, unix.SHUT_WR)
		var answer strings.Builder
		if _, err := readAll(fd, &answer); err != nil {
			return fmt.Errorf("read %d: %w", i, err)
		}
		fmt.Println(answer.String())
		_ = unix.Close(fd)
	}
	return nil
}

// programOnce serves one client, and has closed its listener by then: ADDRESS.
func programOnce(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, from, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	echo(c, from)
	return nil
}

// programReset resets its one client after it has read: ADDRESS.
func programReset(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	if _, err := readAll(c, os.Stderr); err != nil {
		return err
	}
	resetOnClose(c)
	_ = unix.Close(c)
	return nil
}

// programTold accepts one client and tells how its stream ends: ADDRESS.
func programTold(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	_, err = readAll(c, os.Stderr)
	fmt.Println("read:", err)
	return nil
}

// programAbort connects, and resets the connection: ADDRESS.
func programAbort(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	if err := connect(fd, addr, family); err != nil {
		return err
	}
	resetOnClose(fd)
	return unix.Close(fd)
}

// programReuseport serves from N listeners on one port: ADDRESS N.
func programReuseport(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	var n int
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		return err
	}
	for range n {
		fd, family, err := newSocketFor(addr, 0)
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		if err := unix.Bind(fd, sockaddr(addr, family)); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		if err := unix.Listen(fd, 128); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		addr = localAddr(fd)
		go serveAll(fd)
	}
	fmt.Println(addr)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// programDeferred sets TCP_DEFER_ACCEPT before or after listen: ADDRESS WHEN.
func programDeferred(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	if args[1] == "before" {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
	}
	if err := unix.Bind(fd, sockaddr(addr, family)); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, 128); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if args[1] == "after" {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
	}
	fmt.Println(localAddr(fd))
	go serveAll(fd)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// programAwait connects, blocking, when it is told to: ADDRESS TEXT.
func programAwait(args []string) error {
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	return programConnect(args)
}

// programConnectFrom connects from a port that it has chosen: ADDRESS PORT.
func programConnectFrom(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	from := netip.MustParseAddrPort(args[1])
	if err := unix.Bind(fd, sockaddr(from, family)); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := connect(fd, addr, family); err != nil {
		return err
	}
	fmt.Println("from", localAddr(fd))
	return unix.Close(fd)
}
