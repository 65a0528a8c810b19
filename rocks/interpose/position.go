package interpose

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// position is what the kernel says of our end of a leg: how many bytes were given to it and taken from it since some time
// before the leg began, and what has ended. It is true whatever the process that gave and took has noted, which may have died between
// a call and the note of it.
type position struct {
	sent, taken  uint64
	ended        bool // our end was shut down (FIN), behind all that was sent
	programEnded bool // the program's was
	reset        bool // the program has reset the connection; told once
}

// positionOf asks for it. The end of the stream counts as a byte in tcpi_bytes_acked, SIOCOUTQ and tcpi_bytes_received, but not in
// SIOCINQ (tcp(7), net/ipv4/tcp.c).
func positionOf(fd int) (position, error) {
	for {
		before, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return position{}, fmt.Errorf("ask for the position of a leg: %w", err)
		}
		unacked, err1 := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		unread, err2 := unix.IoctlGetInt(fd, unix.SIOCINQ)
		after, err3 := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err := errors.Join(err1, err2, err3); err != nil {
			return position{}, fmt.Errorf("ask for the position of a leg: %w", err)
		}
		if before.State != after.State || before.Bytes_acked != after.Bytes_acked || before.Bytes_received != after.Bytes_received {
			continue // something has moved in between
		}
		p := position{sent: after.Bytes_acked + uint64(unacked), taken: after.Bytes_received - uint64(unread)}
		p.endsFrom(fd, after.State)
		if p.ended {
			p.sent--
		}
		if p.programEnded {
			p.taken--
		}
		return p, nil
	}
}

// The states of RFC 9293 in which a direction has ended (net/tcp_states.h).
const (
	tcpFinWait1  = 4
	tcpFinWait2  = 5
	tcpTimeWait  = 6
	tcpCloseWait = 8
	tcpLastAck   = 9
	tcpClosing   = 11
)

func (p *position) endsFrom(fd int, state uint8) {
	switch state {
	case tcpFinWait1, tcpFinWait2:
		p.ended = true
	case tcpCloseWait:
		p.programEnded = true
	case tcpLastAck, tcpClosing, tcpTimeWait:
		p.ended, p.programEnded = true, true
	case tcpClosed:
		// Both have ended, unless there was a reset, of which the socket tells once.
		if errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
			p.reset = true
			return
		}
		p.ended, p.programEnded = true, true
	}
}
