package front

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// keepNotices keeps the user's standard error for what is to be said when the command has ended. Only a terminal
// is kept: who reads from a pipe waits until the last writer has closed it, and a file must be for a restore
// what it was when the command was saved.
func (f *front) keepNotices() {
	fd := 2
	if !term.IsTerminal(fd) {
		if f.console == nil || f.console.user < 0 {
			return
		}
		fd = f.console.user
	}
	if dup, err := duplicate(fd); err == nil {
		f.notices = os.NewFile(uintptr(dup), "notices")
	}
}

// notify tells the user where the command lives on.
func (f *front) notify(line string) {
	f.endConsole()
	if f.notices != nil {
		unstoppable(func() { fmt.Fprintf(f.notices, "rock: %s\n", line) })
	}
}

// endConsole waits until the user has seen all that the command has shown, and gives the terminal back as it was. A
// signal that ends programs ends the waiting too: the user's terminal may be held up (Ctrl-S), or gone.
//
// Its descriptors stay open: a goroutine may be waiting for them. This process is about to end.
func (f *front) endConsole() {
	c := f.console
	if c == nil {
		return
	}
	defer c.leave()
	if c.shown == nil {
		return
	}
	c.ending.raise()
	for {
		select {
		case <-c.shown:
			return
		case s := <-f.signals:
			if endsPrograms(s.number()) {
				return
			}
		}
	}
}

// endsPrograms says whether a signal is one by which somebody ends a program.
func endsPrograms(sig syscall.Signal) bool {
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		return true
	}
	return false
}
