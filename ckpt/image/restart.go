package image

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	core_x86 "github.com/checkpoint-restore/go-criu/v7/crit/images/core-x86"
	criu_core "github.com/checkpoint-restore/go-criu/v7/crit/images/criu-core"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// RestartCalls makes threads go on with system calls that the checkpoint has interrupted, in CRIU's images in a
// directory, which is a [Draft]'s. Most calls go on by themselves. But the kernel ends epoll_wait, and calls on
// sockets with a timeout, with EINTR whenever a thread is stopped (signal(7)), and CRIU does so to poll, nanosleep and
// futex with a timeout, whose rest the kernel keeps to itself (ERESTART_RESTARTBLOCK). Programs that
// handle no signal need not expect that.
//
// Such a call is made anew: with its whole timeout, except that a nanosleep goes on with the rest that the kernel has
// told the program. If a signal is pending for anybody the calls are left alone, since that signal may be
// what has interrupted them. It is for x86-64 only: the arguments of the call are not in the images of arm64.
//
// It returns the threads and their calls.
func RestartCalls(dir string) (map[int]Call, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("restart calls in images: %w", err)
	}
	defer root.Close()
	names, err := fs.Glob(root.FS(), "core-*.img")
	if err != nil {
		return nil, fmt.Errorf("restart calls in images: %w", err)
	}
	cores := make(map[string]*interrupted)
	for _, name := range names {
		c, pending, err := findInterrupted(root, name)
		if err != nil {
			return nil, fmt.Errorf("restart calls in images in %s: %w", dir, err)
		}
		if pending {
			return nil, nil
		}
		if c != nil {
			cores[name] = c
		}
	}
	calls := make(map[int]Call, len(cores))
	for name, c := range cores {
		if err := c.restart(root, name); err != nil {
			return nil, fmt.Errorf("restart calls in images in %s: %w", dir, err)
		}
		if tid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "core-"), ".img")); err == nil {
			calls[tid] = Call(c.regs.GetAx())
		}
	}
	return calls, nil
}

// Call is the number of a system call on x86-64.
type Call uint64

// Rest says which arguments of the call, counted from 0, are what to wait for and where the kernel tells the rest of
// it, which is what to wait for in a call made anew.
func (c Call) Rest() (request, rest int, ok bool) {
	switch c {
	case nanosleep:
		return 0, 1, true
	case clockNanosleep:
		return 2, 3, true
	}
	return 0, 0, false
}

// interrupted is a thread whose call has ended with EINTR.
type interrupted struct {
	entries [][]byte
	core    criu_core.CoreEntry
	regs    *core_x86.UserX86RegsEntry
}

// findInterrupted returns a thread if its call has been interrupted and can be made anew, and says whether a signal
// is pending for it.
func findInterrupted(root *os.Root, name string) (c *interrupted, pending bool, err error) {
	c = new(interrupted)
	if c.entries, err = readEntries(root, name, coreMagic); err != nil {
		return nil, false, err
	}
	if len(c.entries) == 0 {
		return nil, false, fmt.Errorf("%s is empty", name)
	}
	if err := unmarshal(c.entries[0], &c.core); err != nil {
		return nil, false, fmt.Errorf("decode %s: %w", name, err)
	}
	if len(c.core.GetThreadCore().GetSignalsP().GetSignals()) > 0 || len(c.core.GetTc().GetSignalsS().GetSignals()) > 0 {
		return nil, true, nil
	}
	c.regs = c.core.GetThreadInfo().GetGpregs()
	if c.regs == nil || c.regs.GetMode() != core_x86.UserX86RegsMode_NATIVE ||
		int64(c.regs.GetAx()) != -int64(unix.EINTR) || !restartable[c.regs.GetOrigAx()] {
		return nil, false, nil
	}
	return c, false, nil
}

// restart takes the thread back to its call.
func (c *interrupted) restart(root *os.Root, name string) error {
	const syscallSize = 2 // bytes of the instruction
	r := c.regs
	r.Ip = proto.Uint64(r.GetIp() - syscallSize)
	r.Ax = proto.Uint64(r.GetOrigAx())
	args := []**uint64{&r.Di, &r.Si, &r.Dx, &r.R10}
	if request, rest, ok := Call(r.GetOrigAx()).Rest(); ok && **args[rest] != 0 {
		*args[request] = *args[rest]
	}
	var err error
	if c.entries[0], err = marshal(&c.core); err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return writeEntries(root, name, coreMagic, c.entries)
}

// Numbers of calls on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl): those that have a rest to be told.
const (
	nanosleep      = 35
	clockNanosleep = 230
)

// restartable are the calls that have done nothing yet if they end with EINTR, by their numbers on x86-64.
var restartable = map[uint64]bool{
	0: true, 1: true, 19: true, 20: true, // read, write, readv, writev
	7: true, 271: true, 23: true, 270: true, // poll, ppoll, select, pselect6
	232: true, 281: true, 441: true, // epoll_wait, epoll_pwait, epoll_pwait2
	nanosleep: true, clockNanosleep: true,
	202: true,            // futex
	43:  true, 288: true, // accept, accept4
	44: true, 46: true, 307: true, // sendto, sendmsg, sendmmsg
	45: true, 47: true, 299: true, // recvfrom, recvmsg, recvmmsg
	128: true, // rt_sigtimedwait
	208: true, // io_getevents
}
