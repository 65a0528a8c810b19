package interpose

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// hold keeps a program's socket in SYN_SENT for as long as the supervisor
// dials, so that the program sees a connect in progress: the socket connects
// to a loopback listener that drops its SYN.
//
// complete ends it as connected, by simultaneous open (RFC 9293, figure 7)
// from a socket bound to the listener's own address and port; fail ends it as
// failed. Exactly one of them is called, once.
type hold struct {
	program  int // our duplicate of the program's socket
	listener int
	filler   int // the connection that fills the listener's queue
	addr     netip.AddrPort
	family   int // of the listener
	blocking bool
	reached  chan error // the blocking connect's end
}

// newHold puts the program's socket on hold. It takes over the descriptor
// program on success. A blocking socket is connected by a goroutine, since
// the call lasts until the hold ends.
func newHold(home legHome, program, family int) (*hold, error) {
	addr := home.address(program, family)
	h := &hold{program: program, family: unix.AF_INET, blocking: !nonblocking(program), reached: make(chan error, 1)}
	if addr.Is6() {
		h.family = unix.AF_INET6
	}
	if err := h.listen(addr); err != nil {
		return nil, fmt.Errorf("hold socket in SYN_SENT: %w", err)
	}
	if err := h.start(family); err != nil {
		unix.Close(h.filler)
		unix.Close(h.listener)
		return nil, fmt.Errorf("hold socket in SYN_SENT: %w", err)
	}
	return h, nil
}

// start sends the SYN that nobody answers.
func (h *hold) start(family int) error {
	if !h.blocking {
		if err := connect(h.program, h.addr, family); !errors.Is(err, unix.EINPROGRESS) {
			return fmt.Errorf("connect: %w", err)
		}
		return nil
	}
	go func() { h.reached <- connect(h.program, h.addr, family) }()
	for {
		select {
		case err := <-h.reached:
			return fmt.Errorf("connect: %w", err)
		case <-time.After(100 * time.Microsecond):
		}
		if state, err := tcpState(h.program); err != nil || state == tcpSynSent {
			return err
		}
	}
}

// listen opens a listener that answers no SYN: its accept queue has room for
// one connection, and that is a filler that nobody accepts, so the kernel
// drops every further SYN (listen(2), tcp(7): tcp_abort_on_overflow is only
// about connections, not SYNs). A socket filter would do the same, but needs
// CAP_NET_ADMIN on recent kernels.
func (h *hold) listen(addr netip.Addr) error {
	fd, err := h.bound(netip.AddrPortFrom(addr, 0))
	if err != nil {
		return err
	}
	h.listener, h.addr = fd, localAddr(fd)
	if err := unix.Listen(fd, 0); err != nil {
		unix.Close(fd)
		return fmt.Errorf("listen on %v: %w", h.addr, err)
	}
	if err := h.fill(); err != nil {
		unix.Close(fd)
		return err
	}
	return nil
}

// fill fills the accept queue.
func (h *hold) fill() error {
	fd, err := streamSocket(h.family, 0)
	if err != nil {
		return err
	}
	if err := connect(fd, h.addr, h.family); err != nil {
		unix.Close(fd)
		return fmt.Errorf("fill the queue of %v: %w", h.addr, err)
	}
	if !pollFor(h.listener, unix.POLLIN, fillTime) {
		unix.Close(fd)
		return fmt.Errorf("fill the queue of %v: the filler did not arrive", h.addr)
	}
	h.filler = fd
	return nil
}

// fillTime bounds the wait for the filler, in milliseconds: it is on its way
// through loopback.
const fillTime = 1000

// bound opens a socket at addr that shares its port with others of ours.
func (h *hold) bound(addr netip.AddrPort) (int, error) {
	fd, err := streamSocket(h.family, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(fd, sockaddr(addr, h.family))
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind %v: %w", addr, err)
	}
	return fd, nil
}

// complete makes the held socket connected and returns the other end.
func (h *hold) complete() (*net.TCPConn, error) {
	defer h.release()
	fd, err := h.bound(h.addr)
	if err == nil {
		err = connect(fd, localAddr(h.program), h.family)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		breakOff(h.program)
		return nil, fmt.Errorf("complete held connect: %w", err)
	}
	return tcpConn(fd)
}

// fail ends the hold as a refused connect ends: those who poll see an error, a
// hang-up, and an end to read (some take a hang-up without that for the end of
// an established connection). The real errno is told when the program asks for
// SO_ERROR, which clears the kernel's.
func (h *hold) fail() {
	h.refuse()
	h.release()
}

// refuse has the held socket be reset, since all that could be done to itself
// leaves it open in both directions. A first socket at the listener's address
// sends a SYN, as in complete, but is deaf to the answer; so the held one is in
// SYN_RECV when it goes. The SYN of a second one is answered with the ACK that
// was meant for the first, and that with a RST (RFC 9293, 3.10.7.3), all of it
// within connect(2).
func (h *hold) refuse() {
	if h.call(h.deafen) {
		// From now on the socket is the program's, which may connect anew at once. Should it not have been
		// reset it is within a second: its answer is sent again, and nobody is there.
		h.call(func(int) {})
		return
	}
	breakOff(h.program)
}

// call sends the held socket a SYN from one that prepare has seen, and is closed then. It reports whether the
// held one has taken it for a simultaneous open.
func (h *hold) call(prepare func(fd int)) bool {
	to := localAddr(h.program)
	fd, err := h.bound(h.addr)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	prepare(fd)
	if err := unix.SetNonblock(fd, true); err != nil || connect(fd, to, h.family) != unix.EINPROGRESS {
		return false
	}
	state, err := tcpState(h.program)
	return err == nil && state == tcpSynRecv
}

// deafen has a socket drop what comes from its own host, where no hop limit is that high.
func (h *hold) deafen(fd int) {
	if h.family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, 255)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 255)
}

// breakOff ends a held connect at once. Who polls may see a hang-up first, and
// then that there is an end to read.
func breakOff(fd int) {
	_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	_ = unix.Shutdown(fd, unix.SHUT_RDWR) // of no connection: it fails, and closes both directions
}

// undo ends the hold and leaves the program's socket unconnected, and the descriptor to the caller.
func (h *hold) undo() {
	_ = unix.Shutdown(h.program, unix.SHUT_RDWR)
	h.free()
}

// release gives up all descriptors, once no call of ours uses them any more.
func (h *hold) release() {
	h.free()
	unix.Close(h.program)
}

// free gives up those that only the hold has.
func (h *hold) free() {
	if h.blocking {
		<-h.reached
	}
	unix.Close(h.filler)
	unix.Close(h.listener)
}
