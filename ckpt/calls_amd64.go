package ckpt

import (
	"golang.org/x/sys/unix"

	"rock/ckpt/image"
)

// takeBack takes a stopped thread back to its call, if that has failed with EINTR. ESRCH says that it is not stopped
// (yet), or gone.
func takeBack(tid int, call image.Call) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return err
	}
	if int64(r.Rax) != -int64(unix.EINTR) {
		return nil
	}
	const syscallSize = 2 // bytes of the instruction
	r.Rip -= syscallSize
	r.Rax, r.Orig_rax = uint64(call), ^uint64(0) // not in a call: nothing for the kernel to restart
	args := []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10}
	if request, rest, ok := call.Rest(); ok && *args[rest] != 0 {
		*args[request] = *args[rest]
	}
	return unix.PtraceSetRegs(tid, &r)
}
