package front

import (
	"bytes"
	"syscall"

	"golang.org/x/sys/unix"
)

// chunk is how much is carried at once.
const chunk = 16 << 10

// glance is after how many milliseconds is looked again whether we are in the foreground. Some shells tell a running
// job nothing when they put it there.
const glance = 100

// carryOutput shows on the user's terminal what the command's shows, until nothing is left after ending was raised.
func (c *console) carryOutput() {
	defer close(c.shown)
	defer c.guard()
	unstoppable(func() {
		s := &screen{console: c, master: int(c.master.Fd())}
		for !c.ending.before(s.master, unix.POLLIN, -1) {
			s.showSome()
		}
		// A terminal holds no more than some kilobytes. What comes after that is not the command's, and may
		// never end.
		const most = 1 << 20
		for n := 0; n < most; {
			some := s.showSome()
			if some == 0 {
				break
			}
			n += some
		}
		if s.held {
			s.write([]byte{'\r'})
		}
	})
}

// screen is where what the command's terminal shows goes.
type screen struct {
	*console
	master int
	held   bool // a carriage return, which may be one too many
}

// showSome shows what is there to be shown, and returns how much it was.
func (s *screen) showSome() int {
	b := make([]byte, chunk)
	n, err := unix.Read(s.master, b)
	if err != nil {
		return 0
	}
	b = b[:n]
	if s.held {
		b, s.held = append([]byte{'\r'}, b...), false
	}
	if s.twice() {
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		if s.held = bytes.HasSuffix(b, []byte("\r")); s.held {
			b = b[:len(b)-1]
		}
	}
	s.write(b)
	return n
}

// twice says whether both terminals put a carriage return before a newline, as when the user's is not
// raw. One is enough, and none in a file.
func (s *screen) twice() bool {
	from, err := modes(s.master)
	if err != nil || !addsReturns(from) {
		return false
	}
	to, err := modes(s.output)
	return err != nil || addsReturns(to)
}

// write writes b. It fails if the terminal is gone, and then there is nobody to see it.
func (s *screen) write(b []byte) { _ = writeAll(s.output, b) }

// carryKeys carries what the user types to the command while it is ours to read, until the user's terminal is gone.
func (c *console) carryKeys() {
	defer c.guard()
	unstoppable(func() {
		for {
			from, patience := -1, glance
			if c.mayRead() {
				from, patience = c.user, -1
			}
			if c.resting.before(from, unix.POLLIN, patience) {
				c.resting.lower()
				continue
			}
			if from < 0 {
				c.reenter()
				continue
			}
			b, gone := c.readKeys()
			if gone {
				return
			}
			c.deliver(b)
		}
	})
}

func (c *console) mayRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reading
}

// readKeys returns what was typed. Nothing is read for which there is no leave.
func (c *console) readKeys() (b []byte, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// We may have been stopped since, which is not always seen to come, and be in the background, or the modes others.
	c.reading = c.reading && c.take()
	if !c.reading {
		return nil, false
	}
	b = make([]byte, chunk)
	n, err := unix.Read(c.user, b)
	switch err {
	case nil:
		return b[:n], n == 0
	case unix.EAGAIN, unix.EINTR:
	default: // EIO: in the background
		c.reading = false
	}
	return nil, false
}

// deliver types b on the command's terminal.
func (c *console) deliver(b []byte) {
	signals := c.signalsOf(b)
	_ = writeAll(int(c.master.Fd()), b) // cannot fail: the slave is open
	for _, sig := range signals {
		c.signals <- sig
	}
}

// signalsOf returns the signals that the kernel sends to the command's process group when b is typed.
func (c *console) signalsOf(b []byte) []syscall.Signal {
	master := int(c.master.Fd())
	m, err := modes(master)
	if err != nil || m.Lflag&unix.ISIG == 0 {
		return nil
	}
	if group, err := unix.IoctlGetInt(master, unix.TIOCGPGRP); err != nil || group != c.attended {
		return nil // it is another's turn, as under a shell
	}
	var signals []syscall.Signal
	for _, key := range b {
		switch key {
		case 0: // stands for no key
		case m.Cc[unix.VINTR]:
			signals = append(signals, unix.SIGINT)
		case m.Cc[unix.VQUIT]:
			signals = append(signals, unix.SIGQUIT)
		case m.Cc[unix.VSUSP]:
			signals = append(signals, unix.SIGTSTP)
		}
	}
	return signals
}

// writeAll writes b even if the descriptor does not block.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		default:
			return err
		}
	}
	return nil
}
