package front

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// A witness tells whether a signal that the front got was sent to the whole process
// group, which the command belongs to, or to the front alone. The kernel tells the
// receiver nothing about that.
//
// It is a child process in the same process group which keeps all signals blocked
// and does nothing but say, when asked, which ones it got. The kernel signals the
// members of a group in the reverse order of their joining it (attach_pid), so the
// witness has a signal before the front has it, and the answer is certain.
type witness struct {
	pid  int
	sock int        // our end
	seen []sighting // got by the witness and not yet by the front, in order
	gone bool       // it does not answer any more

	asked bool   // an answer is due
	last  uint64 // how many signals the last answer told of
}

// sighting is a signal that the witness got.
type sighting struct {
	sig  syscall.Signal
	told stage.Moment // when it told
}

// batch is how many signals the witness can keep. Those that come when it is full wait in the kernel.
const batch = 32

// testimony is an answer of the witness: how many signals it got since the last one, and which.
type testimony struct {
	count   uint64
	signals [batch]signal
}

// newWitness starts the witness.
func newWitness() (*witness, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start witness: %w", err)
	}
	defer unix.Close(fds[1])
	// The witness works on memory that exists before it does, because it must not call
	// anything that allocates.
	w := &witnessMemory{
		all: stage.AllSignals,
		fds: [2]unix.PollFd{{Fd: 0, Events: unix.POLLIN}, {Fd: 1, Events: unix.POLLIN}},
	}
	copy(w.name[:], "rock-witness")

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	old := stage.SetMask(stage.AllSignals)
	defer stage.SetMask(old)
	pid, errno := forkWitness(fds[1], w)
	runtime.KeepAlive(w)
	if errno != 0 {
		_ = unix.Close(fds[0])
		return nil, fmt.Errorf("start witness: %w", errno)
	}
	return &witness{pid: pid, sock: fds[0]}, nil
}

// saw reports whether the witness got sig too, and uses that up: for a signal that the front
// got once it must be called once. It reports false if the witness is gone.
func (w *witness) saw(sig syscall.Signal) bool {
	w.forget()
	if w.gone = w.gone || !w.ask(); w.gone {
		return false
	}
	is := func(s sighting) bool { return s.sig == sig }
	if i := slices.IndexFunc(w.seen, is); i >= 0 {
		w.seen = slices.Delete(w.seen, i, i+1)
		return true
	}
	// A stop signal makes the kernel discard a SIGCONT that waits, and the other way round
	// (signal(7)). So what the witness lacks may have been discarded by what it got next.
	return slices.ContainsFunc(w.seen, func(s sighting) bool {
		return sig == unix.SIGCONT && stops(s.sig) || stops(sig) && s.sig == unix.SIGCONT
	})
}

// forget drops what the front never got, because the kernel discarded it there or took two for one.
// Otherwise the front is never so far behind, except while it is stopped.
func (w *witness) forget() {
	const late = stage.Moment(time.Second)
	old := stage.Now() - late
	w.seen = slices.DeleteFunc(w.seen, func(s sighting) bool { return s.told < old })
}

// stops says whether sig stops processes, unless they object.
func stops(sig syscall.Signal) bool {
	return sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

// stopped reports whether the witness is stopped: then SIGSTOP was sent to the whole process group.
func (w *witness) stopped() bool {
	if w.gone || !w.question() {
		return false
	}
	for !w.answered() {
		if p, err := stage.ReadProcess(w.pid); err != nil || p.State == 'T' {
			return err == nil
		}
	}
	w.gone = !w.listen()
	return false
}

// ask has the witness tell what it got since it was asked last.
func (w *witness) ask() bool {
	for more := true; more; more = w.last == batch {
		if !w.question() {
			return false
		}
		for !w.answered() {
			// It may have been stopped, together with the front, and the front alone been
			// continued. That is not done without need, because it discards stop signals.
			if p, err := stage.ReadProcess(w.pid); err == nil && p.State == 'T' {
				_ = unix.Kill(w.pid, unix.SIGCONT)
			}
		}
		if !w.listen() {
			return false
		}
	}
	return true
}

// question asks, unless an answer is still due. It reports false if the witness is gone.
func (w *witness) question() bool {
	if w.asked {
		return true
	}
	_, err := unix.SendmsgN(w.sock, []byte{'?'}, nil, nil, unix.MSG_NOSIGNAL)
	w.asked = err == nil
	return w.asked
}

// answered waits some time for an answer, or for the end of the witness.
func (w *witness) answered() bool {
	const patience = 10 // ms
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.sock), Events: unix.POLLIN}}, patience)
	return n > 0 || err != nil && err != unix.EINTR
}

// listen takes an answer that is there. It reports false if the witness is gone.
func (w *witness) listen() bool {
	var t testimony
	b := (*[unsafe.Sizeof(t)]byte)(unsafe.Pointer(&t))[:]
	n, err := unix.Read(w.sock, b)
	for err == unix.EINTR {
		n, err = unix.Read(w.sock, b)
	}
	if err != nil || n != len(b) {
		return false
	}
	w.asked = false
	w.last = min(t.count, batch)
	for i := range t.signals[:w.last] {
		s := &t.signals[i]
		if s.number() == unix.SIGCONT && s.sender() == unix.Getpid() {
			continue // ours, see ask
		}
		w.seen = append(w.seen, sighting{s.number(), stage.Now()})
	}
	return true
}

// end ends the witness and waits for it.
func (w *witness) end() {
	_ = unix.Close(w.sock)
	_ = unix.Kill(w.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(w.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
