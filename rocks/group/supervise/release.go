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

// openLog returns the log that came with the plan, or one that keeps nothing. If this process
// crashes, that goes there too.
func openLog(file *os.File) *slog.Logger {
	if file == nil {
		return slog.New(slog.DiscardHandler)
	}
	_ = debug.SetCrashOutput(file, debug.CrashOptions{})
	return slog.New(slog.NewTextHandler(io.Writer(file), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// discard reads what is shown on a terminal that nobody looks at, so that who writes there does not
// wait. It returns when the terminal is closed.
func discard(master *os.File) {
	_, _ = io.Copy(io.Discard, master)
}
