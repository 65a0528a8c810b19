package stage

import (
	"fmt"
	"iter"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Sigset is a set of signals as the kernel has it: signal n is bit n-1.
type Sigset uint64

// AllSignals contains every signal.
const AllSignals = ^Sigset(0)

// SignalSet returns the set of sigs.
func SignalSet(sigs ...syscall.Signal) Sigset {
	var s Sigset
	for _, sig := range sigs {
		s |= 1 << (sig - 1)
	}
	return s
}

// Has says whether sig is in the set.
func (s Sigset) Has(sig syscall.Signal) bool { return s>>(sig-1)&1 != 0 }

// All yields the signals of the set in ascending order.
func (s Sigset) All() iter.Seq[syscall.Signal] {
	return func(yield func(syscall.Signal) bool) {
		for sig := syscall.Signal(1); sig <= 64; sig++ {
			if s.Has(sig) && !yield(sig) {
				return
			}
		}
	}
}

// String returns the set as /proc/PID/status shows it.
func (s Sigset) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// ParseSigset reads what String returns.
func ParseSigset(text string) (Sigset, error) {
	v, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("signal set %q: %w", text, err)
	}
	return Sigset(v), nil
}

// SetMask sets the signals that the calling thread blocks and returns what it
// blocked before. The goroutine must be locked to its thread.
func SetMask(s Sigset) (old Sigset) {
	var from, to unix.Sigset_t
	to.Val[0] = uint64(s)
	// Cannot fail: the arguments are valid (sigprocmask(2)).
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &to, &from)
	return Sigset(from.Val[0])
}
