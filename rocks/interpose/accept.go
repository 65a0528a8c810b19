package interpose

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// Arguments of accept(2) and accept4(2).
const (
	acceptFD = iota
	acceptAddr
	acceptLen
	acceptFlags
)

// heldAccept is a blocking accept that waits for a delivery.
type heldAccept struct {
	call  seccomp.Call
	flags int
	dup   int // of the private listener, as the kernel would hold it during the call
	held  *heldCall
}

// accept answers accept(2) and accept4(2).
func (ip *Interposer) accept(c seccomp.Call, flags int) {
	dup, err := tracee.GetFD(c.TID, int(int32(c.Args[acceptFD])))
	if err != nil {
		ip.proceed(c)
		return
	}
	l := ip.listenerOf(dup)
	if l == nil || flags&^(unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) != 0 {
		unix.Close(dup)
		ip.proceed(c) // an unknown flag: the kernel says EINVAL
		return
	}
	l.mu.Lock()
	d := l.takeLocked(dup)
	if d == nil && !nonblocking(dup) {
		l.holdLocked(c, flags, dup)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	unix.Close(dup)
	if d == nil {
		ip.fail(c, unix.EAGAIN)
		return
	}
	l.handOver(c, flags, d)
}

// listenerOf returns the listener behind a descriptor, nil if there is none.
func (ip *Interposer) listenerOf(fd int) *listener {
	ck, err := cookie(fd)
	if err != nil {
		return nil
	}
	return ip.sockets.listener(ck)
}

// takeLocked accepts the next doorbell of the private listener, of which dup
// is a duplicate, and returns what it stands for; nil if there is none.
func (l *listener) takeLocked(dup int) *delivery {
	for pending(dup) {
		fd, sa, err := unix.Accept4(dup, unix.SOCK_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil
		}
		from := addrOf(sa)
		d := l.waiting[from]
		delete(l.waiting, from)
		if d == nil {
			unix.Close(fd) // a stranger on this machine: not ours
			continue
		}
		<-l.room
		l.opened(d, fd)
		return d
	}
	return nil
}

// opened turns an accepted doorbell into the socket to hand over.
func (l *listener) opened(d *delivery, fd int) {
	if d.fd < 0 {
		d.fd = fd // the doorbell is the leg
		if ck, err := cookie(fd); err == nil {
			d.sock.identify(ck, fd)
			l.ip.sockets.put(d.sock)
		}
		return
	}
	resetOnClose(fd) // leaves no TIME_WAIT
	unix.Close(fd)
	if d.bell >= 0 {
		unix.Close(d.bell)
		d.bell = -1
	}
}

// handOver answers an accept with a delivery. The call may be gone by now, or
// the program out of descriptors: the delivery then waits for the next accept,
// as it would have stayed in the kernel's queue.
func (l *listener) handOver(c seccomp.Call, flags int, d *delivery) {
	ip := l.ip
	_ = setNonblocking(d.fd, flags&unix.SOCK_NONBLOCK != 0)
	if c.Args[acceptAddr] != 0 {
		if !ip.calls.Valid(c) {
			l.enqueue(d)
			return
		}
		err := tracee.WriteSockaddr(c.TID, c.Args[acceptAddr], c.Args[acceptLen], d.remote, l.family)
		if err != nil { // the kernel, too, loses the connection then
			ip.fail(c, errnoOf(err, unix.EFAULT))
			d.discard()
			return
		}
	}
	if d.sock != nil {
		d.sock.handing(c.ID)
	}
	err := ip.calls.AddFD(c, d.fd, flags&unix.SOCK_CLOEXEC != 0)
	if err != nil {
		if d.sock != nil {
			d.sock.handing(0)
		}
		ip.log.Debug("accept not answered", "error", err)
		if !errors.Is(err, seccomp.ErrGone) {
			ip.fail(c, errnoOf(err, unix.EMFILE))
		}
		l.enqueue(d)
		return
	}
	if d.sock != nil {
		d.sock.handed()
	}
	unix.Close(d.fd)
}

// holdLocked keeps a blocking accept until there is something for it.
func (l *listener) holdLocked(c seccomp.Call, flags, dup int) {
	a := &heldAccept{call: c, flags: flags, dup: dup}
	a.held = &heldCall{
		call: c,
		check: func() (syscall.Errno, bool) {
			if state, err := tcpState(dup); err == nil && state != tcpListening {
				return unix.EINVAL, true // shut down by another thread
			}
			return 0, false
		},
		drop: func() bool { return l.dropCaller(a) },
	}
	if t := timeoutOption(dup, unix.SO_RCVTIMEO); t > 0 {
		a.held.deadline, a.held.late = time.Now().Add(t), unix.EAGAIN
	}
	l.callers = append(l.callers, a)
	l.ip.waiting.add(a.held)
}

// dropCaller takes a out of the line of callers; false if it was out already.
// Whoever takes it out answers it.
func (l *listener) dropCaller(a *heldAccept) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.callers {
		if other == a {
			l.callers = append(l.callers[:i:i], l.callers[i+1:]...)
			unix.Close(a.dup)
			return true
		}
	}
	return false
}

// answerCallers gives what has arrived to those that wait in accept, first
// come, first served.
func (l *listener) answerCallers() {
	for l.answerCaller() {
	}
}

// answerCaller answers the first of those that wait, if there is one and
// something has arrived. A doorbell may be connected and not yet in the accept
// queue, which the last ACK of its handshake puts it into: it is waited for.
func (l *listener) answerCaller() bool {
	l.mu.Lock()
	if len(l.callers) == 0 {
		l.mu.Unlock()
		return false
	}
	a := l.callers[0]
	d := l.takeLocked(a.dup)
	if d == nil {
		arriving := len(l.waiting) > 0
		l.mu.Unlock()
		if arriving {
			time.Sleep(100 * time.Microsecond)
		}
		return arriving
	}
	l.callers = l.callers[1:]
	l.mu.Unlock()
	l.ip.waiting.remove(a.held)
	unix.Close(a.dup)
	l.handOver(a.call, a.flags, d)
	return true
}
