package tracee

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Due says whether a signal waits for a task that sits in a call where only fatal
// signals wake it.
type Due uint8

const (
	// DueNone: nothing waits for this task.
	DueNone Due = iota
	// DueMaybe: a signal for the whole process waits, and this task is one of
	// several that may be meant to take it. Only the kernel knows which.
	DueMaybe
	// DueSure: a signal, or a stop, waits for this very task.
	DueSure
)

// Interrupted says that something waits for this very task that would interrupt
// a blocking call: a signal that is caught and not blocked, one that stops the
// process, or a stop that is under way. It is the condition for answering the
// call with ERESTARTSYS; see [Pending] for the case that cannot be decided.
func Interrupted(tid int) (bool, error) {
	d, err := Pending(tid)
	return d == DueSure, err
}

// Pending says whether a signal or stop waits for the task.
//
// A signal that was sent to one thread waits for that thread. One that was sent to
// the process is given by the kernel (complete_signal) to the main thread unless
// that blocks it, else to some thread that does not. So it is this task's if it
// is the main thread, not its if the main thread takes it, and else its only if
// no other thread could: those that sleep in an ordinary way would have taken it
// already, so only the ones that are held too are in question. If there are such
// the answer is DueMaybe; a caller that sees it again and again should answer
// EINTR, because ERESTARTSYS without a signal would reach the program as such.
func Pending(tid int) (Due, error) {
	s, err := readStatus(tid)
	if err != nil {
		return DueNone, err
	}
	if s.interrupting(s.pending) != 0 {
		return DueSure, nil
	}
	shared := s.interrupting(s.shared)
	switch {
	case shared != 0 && (s.threads <= 1 || tid == s.tgid):
		return DueSure, nil
	case s.threads <= 1:
		return DueNone, nil
	}
	return judge(s.tgid, shared, otherThreads(tid, s.tgid)), nil
}

// stops are the signals whose default is to stop the process.
const stops = uint64(1<<(unix.SIGSTOP-1) | 1<<(unix.SIGTSTP-1) | 1<<(unix.SIGTTIN-1) | 1<<(unix.SIGTTOU-1))

// interrupting returns the signals of set that interrupt a call of this task.
// Those that kill are not among them: they wake it anyway.
func (s status) interrupting(set uint64) uint64 {
	return set &^ s.blocked & (s.caught | stops&^s.ignored)
}

// maxThreads bounds the work of one look at the other threads.
const maxThreads = 256

// otherThreads returns the statuses of the other threads of a task's process.
// It finds none if the process just died.
func otherThreads(tid, tgid int) map[int]status {
	dir, err := os.Open("/proc/" + strconv.Itoa(tgid) + "/task")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxThreads)
	others := make(map[int]status, len(names))
	for _, name := range names {
		other, err := strconv.Atoi(name)
		if err != nil || other == tid {
			continue
		}
		if s, err := readStatus(other); err == nil {
			others[other] = s
		}
	}
	return others
}

// judge decides by the other threads: whether they are stopped (then this one
// has been told to stop as well), and which may take the shared signals.
func judge(tgid int, shared uint64, others map[int]status) Due {
	if main, ok := others[tgid]; ok && main.alive() {
		shared &= main.blocked // the main thread takes what it does not block
	}
	due := DueNone
	if shared != 0 {
		due = DueSure
	}
	for _, o := range others {
		switch {
		case o.state == 'T':
			return DueSure
		case o.state == 'D' && shared&^o.blocked != 0:
			due = DueMaybe
		}
	}
	return due
}
