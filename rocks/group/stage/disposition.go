package stage

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Disposition is what happens to a process that gets a signal: one of the two
// constants, or the address of a handler.
type Disposition uintptr

// Dispositions that survive exec, see signal(7).
const (
	Default Disposition = 0 // SIG_DFL
	Ignore  Disposition = 1 // SIG_IGN
)

// action is struct sigaction of the kernel (rt_sigaction(2)), the same on amd64
// and arm64.
type action struct {
	handler  Disposition
	flags    uint64
	restorer uintptr
	mask     uint64
}

// SetDisposition sets what sig does to this process. Unlike os/signal it really
// gives the default back, where Go leaves its own handler in place, and it also
// knows the signals that Go keeps for the C library.
func SetDisposition(sig syscall.Signal, d Disposition) error {
	return sigaction(sig, &action{handler: d})
}

// Handle makes all threads run the code at handler, which is not Go code, when sig
// arrives: on the signal stack, with all signals blocked, restarting system calls.
// restorer is the code that a handler returns to where the kernel needs one (amd64).
func Handle(sig syscall.Signal, handler, restorer uintptr) error {
	// Flags of asm/signal.h.
	const (
		saSiginfo  = 0x4
		saRestorer = 0x04000000
		saOnStack  = 0x08000000
		saRestart  = 0x10000000
	)
	a := action{
		handler: Disposition(handler),
		flags:   saSiginfo | saOnStack | saRestart,
		mask:    uint64(AllSignals),
	}
	if restorer != 0 {
		a.flags |= saRestorer
		a.restorer = restorer
	}
	return sigaction(sig, &a)
}

func sigaction(sig syscall.Signal, a *action) error {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(a)), 0, unsafe.Sizeof(a.mask), 0, 0)
	if e != 0 {
		return fmt.Errorf("set disposition of %v: %w", sig, e)
	}
	return nil
}
