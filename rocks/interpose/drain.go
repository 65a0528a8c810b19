package interpose

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// drain takes everything that is under way in both directions out of the leg,
// until the kernel has nothing queued any more (SIOCOUTQ, tcp(7)). program is
// a duplicate of the program's socket; the program must not be running.
func (p *parked) drain(program int) error {
	l := p.leg
	raw, err := l.inner.SyscallConn()
	if err != nil {
		return fmt.Errorf("drain leg: %w", err)
	}
	ctlErr := raw.Control(func(fd uintptr) {
		var fin bool
		if l.toPeer, fin, err = drainInto(l.toPeer, int(fd), program); err != nil {
			return
		}
		l.finDue = l.finDue || fin && !l.left.Load()
		var more []byte
		more, fin, err = drainInto(nil, program, int(fd))
		p.noRead = fin && !l.peerFIN
		l.toProgram = append(more, l.toProgram...)
	})
	if err = errors.Join(ctlErr, err); err != nil {
		return fmt.Errorf("drain leg: %w", err)
	}
	return nil
}

// drainInto reads from one end of a loopback connection until the other end
// has nothing left to send; fin reports the end of the stream.
func drainInto(b []byte, from, sender int) (_ []byte, fin bool, err error) {
	buf := make([]byte, 256<<10)
	for {
		n, _, err := unix.Recvfrom(from, buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			queued, err := unix.IoctlGetInt(sender, unix.SIOCOUTQ)
			if err != nil {
				return b, false, fmt.Errorf("ask for unsent bytes: %w", err)
			}
			if queued == 0 && !pending(from) {
				return b, false, nil
			}
			push(sender)
			time.Sleep(50 * time.Microsecond) // on its way through loopback
		case err != nil:
			return b, false, fmt.Errorf("read queue: %w", err)
		case n == 0:
			return b, true, nil
		default:
			b = append(b, buf[:n]...)
		}
	}
}

// push makes the kernel send what it holds back (Nagle, TCP_CORK): setting TCP_NODELAY does (tcp(7)).
func push(fd int) {
	was := intOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if was == 0 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0)
	}
}
