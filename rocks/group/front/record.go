package front

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// infoSize is the size of siginfo_t.
const infoSize = 128

// Offsets in siginfo_t for a signal sent by a process (asm-generic/siginfo.h).
const (
	offSignal = 0
	offCode   = 8
	offSender = 16
)

// codeQueue is SI_QUEUE: sent by sigqueue(3), perhaps with a value.
const codeQueue = -1

// A signal is one that a process got, with all that the kernel says about it.
type signal [infoSize]byte

func (s *signal) number() syscall.Signal { return syscall.Signal(s.word(offSignal)) }
func (s *signal) code() int              { return int(s.word(offCode)) }
func (s *signal) sender() int            { return int(s.word(offSender)) } // pid, if a process sent it
func (s *signal) setNumber(sig syscall.Signal) {
	binary.NativeEndian.PutUint32(s[offSignal:], uint32(sig))
}
func (s *signal) word(off int) int32 { return int32(binary.NativeEndian.Uint32(s[off:])) }

// mirrored are the signals that the front passes on. The rest is the front's own:
// children (SIGCHLD), what Go's runtime needs (SIGURG to preempt, SIGPROF), what a
// fault of the code raises, and what the C library keeps for itself (32 to 34).
const mirrored = stage.AllSignals &^ (1<<(unix.SIGKILL-1) | 1<<(unix.SIGSTOP-1) |
	1<<(unix.SIGCHLD-1) | 1<<(unix.SIGURG-1) | 1<<(unix.SIGPROF-1) |
	1<<(unix.SIGSEGV-1) | 1<<(unix.SIGBUS-1) | 1<<(unix.SIGFPE-1) | 1<<(unix.SIGILL-1) |
	1<<(unix.SIGTRAP-1) | 1<<(unix.SIGSYS-1) | 1<<(32-1) | 1<<(33-1) | 1<<(34-1))

// recordFD is where the handler writes. A signal handler has no other way to know,
// and signal dispositions are the whole process's anyway.
var recordFD int32

// record is the handler and restore what it returns to; handlerAddresses says where
// they are.
//
//lint:ignore U1000 the kernel calls it
func record()

//lint:ignore U1000 and returns to this
func restore()

func handlerAddresses() (handler, restorer uintptr)

// recordSignals makes all mirrored signals go to the channel returned, each with its
// sender, for the rest of the life of this process.
//
// os/signal does not tell the sender, and signalfd(2) wants the signals blocked in
// all threads, which Go's runtime prevents for those that end a program. So a
// handler of a few instructions writes what the kernel hands it to a pipe.
func recordSignals() (<-chan signal, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("record signals: %w", err)
	}
	// A handler must not block.
	if err := unix.SetNonblock(p[1], true); err != nil {
		return nil, fmt.Errorf("record signals: %w", err)
	}
	recordFD = int32(p[1])
	for sig := range stage.Sigset(mirrored).All() {
		if err := rearm(sig); err != nil {
			return nil, err
		}
	}
	c := make(chan signal, 64)
	go readSignals(os.NewFile(uintptr(p[0]), "signals"), c)
	return c, nil
}

// recordNothing puts a signal of number 0 behind those that were recorded so far.
func recordNothing() error {
	var s signal
	_, err := unix.Write(int(recordFD), s[:])
	return err
}

// rearm installs the handler for sig.
func rearm(sig syscall.Signal) error {
	handler, restorer := handlerAddresses()
	return stage.Handle(sig, handler, restorer)
}

// readSignals passes signals from the pipe on. Its thread blocks none, so that the
// process gets also those that the user had blocked: to the command they matter,
// which has them blocked too and may look for them.
func readSignals(pipe *os.File, c chan<- signal) {
	runtime.LockOSThread()
	stage.SetMask(0)
	for {
		var s signal
		if n, err := unix.Read(int(pipe.Fd()), s[:]); err != nil && err != unix.EINTR {
			return // cannot be: the process holds the other end
		} else if n == infoSize { // a write of up to PIPE_BUF bytes is never split
			c <- s
		}
	}
}
