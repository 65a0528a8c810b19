// Talk makes the socket calls that its arguments name, one after the other, and
// prints what each returned, with the kernel's own error names. It is a program
// for the tests: what it prints must be the same with and without rock.
//
//	talk STEP...
//
//	dial=ADDR      a socket for this address (connect follows)
//	listen=ADDR    a listening socket; prints the line "listen: ok"
//	accept         take a connection
//	nonblock       make the present socket non-blocking
//	connect        connect it to the address of dial
//	wait           poll until it is writable or has failed, print the events
//	ready          the same, print no events
//	error          its SO_ERROR
//	peer, local    its addresses (with local, the port is shown as "port")
//	send=TEXT      send
//	recv           one recv
//	recvall        recv until the end or an error
//	shutdown       end the sending side
//	reset          close with a reset
//	close          close
//	pause=D        do nothing for a duration
//
// A call that fails is printed and the rest of the steps are done all the same.
package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// talker is what the steps act on.
type talker struct {
	listener, conn int // descriptors, -1 if there is none
	remote         unix.Sockaddr
}

func main() {
	t := &talker{listener: -1, conn: -1}
	for _, step := range os.Args[1:] {
		name, arg, _ := strings.Cut(step, "=")
		do, ok := steps[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "talk: %q is not a step\n", name)
			os.Exit(2)
		}
		result, err := do(t, arg)
		if err != nil {
			result = errorName(err)
		} else if result == "" {
			result = "ok"
		}
		fmt.Printf("%s: %s\n", name, result)
	}
}

var steps = map[string]func(t *talker, arg string) (string, error){
	"dial":     (*talker).dial,
	"listen":   (*talker).listen,
	"accept":   (*talker).accept,
	"nonblock": func(t *talker, _ string) (string, error) { return "", unix.SetNonblock(t.conn, true) },
	"connect": func(t *talker, _ string) (string, error) {
		return "", restarting(func() error { return unix.Connect(t.conn, t.remote) })
	},
	"wait":     (*talker).wait,
	"ready":    func(t *talker, _ string) (string, error) { _, err := t.wait(""); return "", err },
	"error":    (*talker).socketError,
	"peer":     (*talker).peer,
	"local":    (*talker).local,
	"send":     (*talker).send,
	"recv":     (*talker).recv,
	"recvall":  (*talker).recvAll,
	"shutdown": func(t *talker, _ string) (string, error) { return "", unix.Shutdown(t.conn, unix.SHUT_WR) },
	"reset":    (*talker).reset,
	"close":    func(t *talker, _ string) (string, error) { return "", unix.Close(t.conn) },
	"pause":    pause,
}

func pause(_ *talker, arg string) (string, error) {
	d, err := time.ParseDuration(arg)
	time.Sleep(d)
	return "", err
}

// errorName names a system call's error, and says others as they are.
func errorName(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// restarting calls f again when the Go runtime's own signals have interrupted it.
func restarting(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// socket makes a socket for an address.
func socket(address string) (int, unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return -1, nil, err
	}
	if a.Addr().Is4() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return fd, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return fd, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}, err
}
