package interpose

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// adoptListener binds the public socket anew; the private one was restored with the process.
func (ip *Interposer) adoptListener(st *ListenerState) (*listener, error) {
	public, err := publicSocket(st, ip.freebind)
	if err != nil {
		return nil, err
	}
	publicCookie, err := cookie(public)
	var private netip.AddrPort
	var privateCookie uint64
	if err == nil {
		err = ip.onSocket(st.Place, func(fd int, ck uint64) {
			setOptions(fd, st.Options)
			private, privateCookie = localAddr(fd), ck
		})
	}
	if err != nil {
		unix.Close(public)
		return nil, err
	}
	l := ip.listenerOn(public, st.Family, st.Backlog)
	l.publicCookie, l.private, l.privateCookie = publicCookie, private, privateCookie
	ip.sockets.putListener(l)
	return l, nil
}

// publicSocket opens a socket that listens where the program's did, with freebind even if this host does not have that
// address (ip(7), IP_FREEBIND): should it ever get it, the socket is there.
func publicSocket(st *ListenerState, freebind bool) (int, error) {
	fd, err := streamSocket(st.Family, unix.SOCK_NONBLOCK)
	if err != nil {
		return -1, err
	}
	set := func(level, option int, on bool) {
		if on {
			_ = unix.SetsockoptInt(fd, level, option, 1)
		}
	}
	// Also over connections of the group's former life that are in TIME_WAIT.
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, true)
	set(unix.SOL_SOCKET, unix.SO_REUSEPORT, st.ReusePort)
	set(unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, true)
	set(unix.IPPROTO_IP, unix.IP_FREEBIND, freebind)
	if st.Family == unix.AF_INET6 {
		set(unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, freebind)
		v := 0
		if st.V6Only {
			v = 1
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v)
	}
	err = unix.Bind(fd, sockaddr(st.Address, st.Family))
	if err == nil {
		err = unix.Listen(fd, st.Backlog)
	}
	if err != nil {
		unix.Close(fd)
		return -1, &BindError{Address: st.Address, Err: err}
	}
	return fd, nil
}

// BindError says that the group's listening socket cannot be had here.
type BindError struct {
	Address netip.AddrPort
	Err     error // the kernel's
}

func (e *BindError) Error() string {
	switch {
	case errors.Is(e.Err, unix.EADDRINUSE):
		return fmt.Sprintf("listen on %v: another program has the port; stop it and restore again", e.Address)
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		return fmt.Sprintf("listen on %v: this host has no such address; give it one (ip addr add) and restore again", e.Address)
	}
	return fmt.Sprintf("listen on %v: %v", e.Address, e.Err)
}

// Unwrap returns the kernel's error.
func (e *BindError) Unwrap() error { return e.Err }
