package interpose

import (
	"context"
	"sync"
	"syscall"
	"time"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// heldCall is a trapped call that is not answered yet. While it is held the
// task sees no signal and cannot be frozen (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
// seccomp_unotify(2)), so somebody must look out for it.
type heldCall struct {
	call     seccomp.Call
	deadline time.Time     // zero: none
	late     syscall.Errno // the answer at the deadline

	// check looks for a reason to answer that nobody reports; may be nil.
	check func() (syscall.Errno, bool)
	// drop claims the call for an answer; false if it has one already.
	drop func() bool
	// before, if not nil, is done before the call is interrupted.
	before func()
	// gone, if not nil, is done when the task has died in the call.
	gone func()

	since     time.Time // when it began to be held
	signalled int       // at so many looks in a row a signal was pending
}

// waiting looks after all held calls: it ends those whose task is gone, whose
// time is over, or whose task has a signal to handle.
type waiting struct {
	listener *seccomp.Listener
	wake     chan struct{}

	mu   sync.Mutex // guards held
	held map[*heldCall]struct{}
}

// How often held calls are looked at, which is how long a signal handler may have to wait: not so often if none is new, as
// in a server that waits for clients.
const (
	look       = 20 * time.Millisecond
	lookSeldom = 50 * time.Millisecond
	newCall    = time.Second
)

func newWaiting(l *seccomp.Listener) *waiting {
	return &waiting{listener: l, wake: make(chan struct{}, 1), held: map[*heldCall]struct{}{}}
}

func (w *waiting) add(h *heldCall) {
	h.since = time.Now()
	w.mu.Lock()
	w.held[h] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *waiting) remove(h *heldCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.held, h)
}

func (w *waiting) all() []*heldCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*heldCall, 0, len(w.held))
	for h := range w.held {
		all = append(all, h)
	}
	return all
}

// run is the goroutine that looks, as long as there is something to look at.
func (w *waiting) run(ctx context.Context) {
	for {
		all := w.all()
		if len(all) == 0 {
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		pause := lookSeldom
		for _, h := range all {
			if time.Since(h.since) < newCall {
				pause = look
			}
			w.lookAt(h)
		}
		if !w.rest(ctx, pause) {
			return
		}
	}
}

// rest waits for the next look, which is soon if a call has come. It returns false when ctx is done.
func (w *waiting) rest(ctx context.Context, pause time.Duration) bool {
	due := time.After(pause)
	for {
		select {
		case <-due:
			return true
		case <-w.wake:
			if pause > look {
				pause, due = look, time.After(look)
			}
		case <-ctx.Done():
			return false
		}
	}
}

func (w *waiting) lookAt(h *heldCall) {
	if !w.listener.Valid(h.call) {
		w.end(h, func() {
			if h.gone != nil {
				h.gone()
			}
		})
		return
	}
	if !h.deadline.IsZero() && time.Now().After(h.deadline) {
		w.end(h, func() { w.interruptFirst(h); _ = w.listener.Fail(h.call, h.late) })
		return
	}
	if h.check != nil {
		if errno, done := h.check(); done {
			w.end(h, func() { _ = w.listener.Fail(h.call, errno) })
			return
		}
	}
	w.lookForSignal(h)
}

// lookForSignal interrupts the call if the task has a signal to handle. Where
// only the kernel knows which thread is to take it, a plain EINTR is right for
// the one and harmless for the others, if nobody has taken it for a while.
func (w *waiting) lookForSignal(h *heldCall) {
	due, err := tracee.Pending(h.call.TID)
	if err != nil || due == tracee.DueNone {
		h.signalled = 0
		return
	}
	if h.signalled++; h.signalled < patience {
		return
	}
	w.end(h, func() {
		w.interruptFirst(h)
		if due == tracee.DueSure {
			_ = w.listener.Restart(h.call)
			return
		}
		_ = w.listener.Fail(h.call, syscall.EINTR)
	})
}

// patience is at how many looks a signal must have been pending.
const patience = 2

func (w *waiting) interruptFirst(h *heldCall) {
	if h.before != nil {
		h.before()
	}
}

// end claims h and answers it.
func (w *waiting) end(h *heldCall, answer func()) {
	w.remove(h)
	if h.drop() {
		answer()
	}
}

// interruptAll makes every held call come again: before the group is frozen,
// since a task in a held call cannot be. The kernel restarts a call that ends
// with ERESTARTSYS when the freezer has stopped the task.
func (w *waiting) interruptAll() {
	for _, h := range w.all() {
		w.end(h, func() { w.interruptFirst(h); _ = w.listener.Restart(h.call) })
	}
}
