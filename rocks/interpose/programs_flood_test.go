package interpose

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// flood sends a checked stream until standard input says stop and receives one,
// at once, with blocking calls from two threads.
func flood(fd int) error {
	var stop atomic.Bool
	go func() {
		bufio.NewScanner(os.Stdin).Scan()
		stop.Store(true)
	}()
	sent := make(chan error)
	total := 0
	go func() {
		b := make([]byte, 100<<10)
		at := 0
		for !stop.Load() {
			chunk := b
			for i := range chunk {
				chunk[i] = pattern(at + i)
			}
			for len(chunk) > 0 {
				n, err := unix.Write(fd, chunk)
				if err != nil && err != unix.EINTR {
					sent <- fmt.Errorf("write at %d: %w", at, err)
					return
				}
				n = max(n, 0)
				chunk, at = chunk[n:], at+n
			}
		}
		total = at
		sent <- unix.Shutdown(fd, unix.SHUT_WR)
	}()
	b := make([]byte, 100<<10)
	at := 0
	for {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read at %d: %w", at, err)
		}
		if n == 0 {
			break
		}
		for i, got := range b[:n] {
			if want := pattern(at + i); got != want {
				return fmt.Errorf("byte %d is %d, want %d", at+i, got, want)
			}
		}
		at += n
	}
	if err := <-sent; err != nil {
		return err
	}
	fmt.Println(total, at)
	return unix.Close(fd)
}

// pattern makes every misplaced block show.
func pattern(at int) byte { return byte(at ^ at>>8 ^ at>>16 ^ at>>24) }

// programFlood: ADDRESS.
func programFlood(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	if err := connect(fd, addr, family); err != nil {
		return err
	}
	fmt.Println("connected")
	return flood(fd)
}

// programFloodServer: ADDRESS.
func programFloodServer(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	return flood(c)
}

// programServeLate reads to the client's end and answers when told: ADDRESS.
func programServeLate(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	var text strings.Builder
	if _, err := readAll(c, &text); err != nil {
		return err
	}
	fmt.Println("got", text.String())
	bufio.NewScanner(os.Stdin).Scan()
	_, err = unix.Write(c, []byte("late answer"))
	_ = unix.Close(c)
	return err
}
