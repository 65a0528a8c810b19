package interpose

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// programAcceptLate accepts its one client after a line from standard input, and echoes: ADDRESS.
func programAcceptLate(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	bufio.NewScanner(os.Stdin).Scan()
	c, from, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	echo(c, from)
	return nil
}

// programPour connects, writes so many bytes and ends: ADDRESS BYTES.
func programPour(args []string) error {
	addr := netip.MustParseAddrPort(args[0])
	var n int
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		return err
	}
	fd, family, err := newSocketFor(addr, 0)
	if err != nil {
		return err
	}
	if err := connect(fd, addr, family); err != nil {
		return err
	}
	bufio.NewScanner(os.Stdin).Scan()
	b := make([]byte, 64<<10)
	for at := 0; at < n; {
		chunk := b[:min(len(b), n-at)]
		for i := range chunk {
			chunk[i] = pattern(at + i)
		}
		m, err := unix.Write(fd, chunk)
		if err != nil {
			return err
		}
		at += m
	}
	return unix.Close(fd)
}

// programSwallow accepts one client, says how much it got and whether that was right: ADDRESS.
func programSwallow(args []string) error {
	fd, err := listenOn(netip.MustParseAddrPort(args[0]), 0)
	if err != nil {
		return err
	}
	c, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	fmt.Println("accepted")
	w := &checker{}
	_, err = readAll(c, w)
	fmt.Println("got", w.at, w.err, err)
	return nil
}

// checker compares what is written to it with the pattern.
type checker struct {
	at  int
	err error
}

func (w *checker) Write(b []byte) (int, error) {
	for i, got := range b {
		if want := pattern(w.at + i); got != want && w.err == nil {
			w.err = fmt.Errorf("byte %d is %d, want %d", w.at+i, got, want)
		}
	}
	w.at += len(b)
	return len(b), nil
}
