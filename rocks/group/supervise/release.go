package supervise

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// release lets go of what the user gave the command: its descriptors, for who reads from a pipe waits
// until the last writer has closed it, and its directory, which could not be unmounted.
func (s *supervisor) release() {
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = unix.Dup3(int(null.Fd()), fd, 0)
		}
		_ = null.Close()
	}
	for _, fd := range s.plan.Files {
		_ = unix.Close(fd)
	}
	_ = os.Chdir("/")
	unix.Umask(0o077)
}

// openLog opens the log that came with the plan, or one that keeps nothing. If this process
// crashes, that goes there too.
func (s *supervisor) openLog(file *os.File) {
	if file == nil {
		s.log = slog.New(slog.DiscardHandler)
		return
	}
	s.logFile = file
	_ = debug.SetCrashOutput(file, debug.CrashOptions{})
	s.log = slog.New(slog.NewTextHandler(io.Writer(file), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// keepTerminal reads what is shown on a terminal that nobody looks at, if there is one, so that who writes there does not
// wait, until the terminal is closed.
func (s *supervisor) keepTerminal(master *os.File) {
	if master != nil {
		s.master = master
		go func() { _, _ = io.Copy(io.Discard, master) }()
	}
}
