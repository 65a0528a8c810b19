// Door runs a command on a host of a lab, from any other, as ssh would. It is for hosts that cannot be
// entered from others: whoever opened the socket runs the command there.
//
//	door SOCKET WORD...
//
// The words are joined and run by a shell. Its standard input and output are this process's, through it, and its
// standard error is. The exit status is the command's.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: door SOCKET WORD...")
		os.Exit(2)
	}
	code, err := run(os.Args[1], strings.Join(os.Args[2:], " "))
	if err != nil {
		fmt.Fprintln(os.Stderr, "door:", err)
		code = 255 // as of ssh
	}
	os.Exit(code)
}

// run asks for a command, carries its input and output, and returns its exit status.
func run(socket, command string) (int, error) {
	door, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: socket})
	if err != nil {
		return 0, err
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	rights := syscall.UnixRights(pair[1], int(os.Stderr.Fd()))
	if _, _, err := door.WriteMsgUnix([]byte(command), rights, nil); err != nil {
		return 0, err
	}
	syscall.Close(pair[1])
	mine := os.NewFile(uintptr(pair[0]), "data")
	data, err := net.FileConn(mine)
	if err != nil {
		return 0, err
	}
	mine.Close()

	go func() {
		io.Copy(data, os.Stdin)
		data.(*net.UnixConn).CloseWrite()
	}()
	// It is reset if the command has ended without reading all.
	if _, err := io.Copy(os.Stdout, data); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return 0, err
	}
	var code [1]byte
	if _, err := io.ReadFull(door, code[:]); err != nil {
		return 0, fmt.Errorf("no exit status: %w", err)
	}
	return int(code[0]), nil
}
