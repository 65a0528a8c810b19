package interpose

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// drain notes everything that is under way in both directions of the leg, until the kernel has nothing
// queued any more that has not arrived. program is a duplicate of the program's socket; the program must not be
// running. What the program has sent is taken out. What it has not read stays where it is if all of it
// has reached the program's socket, and is taken out otherwise.
func (p *parked) drain(ip *Interposer, program int) error {
	l := p.leg
	raw, err := l.inner.SyscallConn()
	if err != nil {
		return fmt.Errorf("drain leg: %w", err)
	}
	ctlErr := raw.Control(func(fd uintptr) {
		var fin bool
		if l.toPeer, fin, err = drainInto(l.toPeer, int(fd), program, p.saver(ip, drainedLump)); err != nil {
			return
		}
		l.finDue = l.finDue || fin && !l.left.Load()
		if !p.apart && arrived(program, int(fd)) {
			p.queued, p.noRead, err = queueOf(program)
			p.noRead = p.noRead && !l.peerFIN
			return
		}
		// The peer's end cannot be sent again behind what is put back: a new connection can.
		p.apart = p.apart || l.peerFIN
		var more []byte
		more, fin, err = drainInto(nil, program, int(fd), p.saver(ip, backLump))
		p.noRead = fin && !l.peerFIN
		l.toProgram = append(more, l.toProgram...)
	})
	if err = errors.Join(ctlErr, err); err != nil {
		return fmt.Errorf("drain leg: %w", err)
	}
	return nil
}

// arrived reports whether all that sender has sent is in the queue of program, the other end of the same
// loopback connection. It is not if that is full.
func arrived(program, sender int) bool {
	for look := range 20 {
		more, unsent, err := underWay(sender, program)
		if err != nil || unsent && look > 2 { // although it was pushed
			return false
		}
		if !more {
			return true
		}
		push(sender)
		briefly()
	}
	return false
}

// underWay reports whether something is on its way from sender to receiver, and whether more is held
// back. Bytes that have arrived may not have been acknowledged yet: that can take 40 ms, and as long as receiver has something in its queue
// TCP_QUICKACK does not hasten it. So what one end has sent is compared with what the other has received
// (TCP_INFO), where the end of the stream counts as a byte.
func underWay(sender, receiver int) (more, unsent bool, err error) {
	queued, err := unix.IoctlGetInt(sender, unix.SIOCOUTQ)
	if err != nil {
		return false, false, fmt.Errorf("ask for unsent bytes: %w", err)
	}
	if queued == 0 {
		return false, false, nil
	}
	s, err := unix.GetsockoptTCPInfo(sender, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, false, fmt.Errorf("ask what was sent: %w", err)
	}
	r, err := unix.GetsockoptTCPInfo(receiver, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, false, fmt.Errorf("ask what has arrived: %w", err)
	}
	n := s.Bytes_sent - s.Bytes_retrans
	if s.State != unix.BPF_TCP_ESTABLISHED && s.State != unix.BPF_TCP_CLOSE_WAIT {
		n++
	}
	unsent = s.Notsent_bytes > 0
	return unsent || r.Bytes_received < n, unsent, nil
}

// briefly waits for what is on its way through loopback. It blocks the thread: the runtime's timers can be
// as coarse as a millisecond.
func briefly() {
	ts := unix.NsecToTimespec(int64(50 * time.Microsecond))
	_ = unix.Nanosleep(&ts, nil) // a signal only shortens it
}

// queueOf copies what waits in a socket; fin reports the end of the stream behind it.
func queueOf(fd int) (b []byte, fin bool, err error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return nil, false, fmt.Errorf("ask for unread bytes: %w", err)
	}
	b = make([]byte, n+1)
	for {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil, false, nil
		case err != nil:
			return nil, false, fmt.Errorf("look at queue: %w", err)
		}
		return b[:n], n == 0, nil
	}
}

// drainInto reads from one end of a loopback connection until the other end
// has nothing left to send; fin reports the end of the stream. save, if not nil, gets the bytes before they are taken.
func drainInto(b []byte, from, sender int, save func([]byte)) (_ []byte, fin bool, err error) {
	buf := make([]byte, 256<<10)
	for {
		n, err := takeFrom(from, buf, save)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			more, _, err := underWay(sender, from)
			if err != nil {
				return b, false, err
			}
			if !more && !pending(from) {
				return b, false, nil
			}
			push(sender)
			briefly()
		case err != nil:
			return b, false, fmt.Errorf("read queue: %w", err)
		case n == 0:
			return b, true, nil
		default:
			b = append(b, buf[:n]...)
		}
	}
}

// takeFrom reads what is there. What save gets is the same as what is read, since nobody else reads.
func takeFrom(fd int, buf []byte, save func([]byte)) (int, error) {
	if save != nil {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT|unix.MSG_PEEK)
		if err != nil || n == 0 {
			return n, err
		}
		save(buf[:n])
		buf = buf[:n]
	}
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	return n, err
}

// push makes the kernel send what it holds back (Nagle, TCP_CORK): setting TCP_NODELAY does (tcp(7)).
func push(fd int) {
	was := intOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if was == 0 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0)
	}
}
