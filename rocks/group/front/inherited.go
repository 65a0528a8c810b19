package front

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// inherited is what the user gave this process and Go's runtime replaces, or a
// program of Go's usually does not look at.
type inherited struct {
	mask    stage.Sigset // signals blocked
	ignored stage.Sigset // signals ignored
	files   []int        // descriptors above 2
}

// readInherited finds out what this process was started with. It must be called
// first: descriptors opened later without close-on-exec would be taken for the user's.
//
// Go installs handlers over ignored signals and unblocks some blocked ones before
// any code of ours runs, and the kernel keeps no record. The runtime does, in two of
// its variables, which are read from memory by their place in the symbol table. In
// a binary without one (stripped) only what the runtime left alone is known.
func readInherited() inherited {
	in, self := inherited{files: openFiles()}, os.Getpid()
	in.mask, in.ignored = signalStatus(self, "SigBlk"), signalStatus(self, "SigIgn")
	rt, err := openRuntime()
	if err != nil {
		return in
	}
	defer rt.close()
	if mask, ok := rt.uint64At("runtime.initSigmask", 0); ok {
		in.mask = stage.Sigset(mask)
	}
	for sig := range stage.AllSignals.All() {
		// fwdSig[n] is the disposition of signal n before the runtime's.
		if d, ok := rt.uint64At("runtime.fwdSig", int(sig)); ok && stage.Disposition(d) == stage.Ignore {
			in.ignored |= stage.SignalSet(sig)
		}
	}
	return in
}

// signalStatus returns a line of /proc/PID/status that tells of signals, the empty set if it cannot be
// seen.
func signalStatus(pid int, field string) stage.Sigset {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), field+":\t"); ok {
			set, _ := stage.ParseSigset(value)
			return set
		}
	}
	return 0
}

// pendingSignals returns the signals that were sent to this process and that no thread has taken.
func pendingSignals() stage.Sigset { return signalStatus(os.Getpid(), "ShdPnd") }

// openFiles returns the descriptors above 2 that came through exec: those of Go and
// of ours are close-on-exec.
func openFiles() []int {
	var fds []int
	for fd := range stage.Descriptors() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}
