package interpose

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
)

// receivers is how many threads take calls. Most answers take microseconds;
// what lasts goes to goroutines.
const receivers = 2

// serve starts the goroutines that take the calls.
func (ip *Interposer) serve(calls *seccomp.Listener) {
	ip.calls = calls
	ip.waiting = newWaiting(calls)
	var loops sync.WaitGroup
	loops.Add(receivers)
	for range receivers {
		seccomp.Locked(func() {
			defer loops.Done()
			ip.receive()
		})
	}
	ip.work.Go(func() { ip.waiting.run(ip.ctx) })
	ip.work.Go(ip.sweep)
	ip.work.Go(func() {
		loops.Wait()
		close(ip.done)
	})
}

func (ip *Interposer) receive() {
	for {
		c, err := ip.calls.Receive()
		if errors.Is(err, seccomp.ErrEnded) || errors.Is(err, seccomp.ErrClosed) {
			return
		}
		if err != nil {
			ip.log.Error("no more calls received: programs go on as ordinary ones", "error", err)
			return
		}
		ip.answer(c)
	}
}

// answer handles one call. Whatever goes wrong in here, the program must not
// suffer: the kernel executes the call then.
func (ip *Interposer) answer(c seccomp.Call) {
	defer func() {
		if r := recover(); r != nil {
			ip.log.Error("call left to the kernel", "call", c.Nr, "panic", r)
			ip.proceed(c)
		}
	}()
	if o := ip.outsider.Load(); o == everybody || o != 0 && o == int64(c.TID) {
		ip.proceed(c)
		return
	}
	ip.sweeps.stir()
	ip.answers.RLock()
	defer ip.answers.RUnlock()
	switch c.Nr {
	case unix.SYS_CONNECT:
		ip.connect(c)
	case unix.SYS_BIND:
		ip.bind(c)
	case unix.SYS_LISTEN:
		ip.listen(c)
	case unix.SYS_ACCEPT:
		ip.accept(c, 0)
	case unix.SYS_ACCEPT4:
		ip.accept(c, int(int32(c.Args[acceptFlags])))
	case unix.SYS_GETSOCKNAME:
		ip.getsockname(c)
	case unix.SYS_GETPEERNAME:
		ip.getpeername(c)
	case unix.SYS_GETSOCKOPT:
		ip.getsockopt(c)
	default:
		ip.proceed(c)
	}
}

func (ip *Interposer) proceed(c seccomp.Call)                 { ip.told(c, ip.calls.Continue(c)) }
func (ip *Interposer) succeed(c seccomp.Call, val int64)      { ip.told(c, ip.calls.Return(c, val)) }
func (ip *Interposer) fail(c seccomp.Call, err syscall.Errno) { ip.told(c, ip.calls.Fail(c, err)) }

// told notes an answer that did not arrive. That the call is gone is normal:
// its task was killed.
func (ip *Interposer) told(c seccomp.Call, err error) {
	if err != nil && !errors.Is(err, seccomp.ErrGone) {
		ip.log.Warn("call not answered", "call", c.Nr, "task", c.TID, "error", err)
	}
}
