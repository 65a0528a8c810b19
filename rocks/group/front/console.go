package front

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A console is the terminal that was made for the command, in place of the user's. The front carries what is shown
// there to the user, and what the user types to it (carry.go).
//
// A nil console is none: what the rest of the front calls does nothing then.
type console struct {
	master, slave *os.File // the slave stays open here, so that the master never ends
	replaced      []int    // which of the descriptors 0 to 2 are it for the command

	user   int  // the user's terminal, -1 without
	typed  bool // the standard input was the user's terminal, so what is typed is for the command
	output int  // what is shown goes here, -1 for nowhere
	alone  bool // the user's terminal shows nothing but that, as far as we know

	ending  event               // ends the showing once all has been shown
	shown   chan struct{}       // closed when it has ended, nil before it begins
	resting event               // interrupts the wait for keys
	signals chan syscall.Signal // gets those that keys send to the command

	mu       sync.Mutex
	left     bool         // the user's terminal is not to be taken, though we may be in the foreground
	ours     bool         // we have set the modes of the user's terminal
	saved    unix.Termios // what they were before
	given    unix.Termios // what the command's were when it got its terminal
	settled  bool         // those need no more looking after
	attended int          // pid of the command, 0 as long as there is none to read what is typed
	reading  bool         // what is typed is for us to read
}

// terminals returns which of the descriptors 0 to 2 are terminals.
func terminals() []int {
	var fds []int
	for fd := range 3 {
		if _, err := modes(fd); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}

// newConsole makes a terminal like the user's, if there is one, with none of the numbers in avoid. The command gets it
// for the descriptors replaced.
func newConsole(replaced, avoid []int) (*console, error) {
	c := &console{replaced: replaced, user: -1, output: -1, signals: make(chan syscall.Signal, 16)}
	var err error
	if c.master, c.slave, err = openPty(avoid); err != nil {
		return nil, fmt.Errorf("make a terminal: %w", err)
	}
	for _, e := range []*event{&c.ending, &c.resting} {
		if *e, err = newEvent(); err != nil {
			return nil, fmt.Errorf("make a terminal: %w", err)
		}
	}
	users := terminals()
	if len(users) == 0 {
		c.output, err = duplicate(1)
		return c, err
	}
	c.typed = users[0] == 0
	c.alone = slices.Contains(users, 1)
	if c.user, err = reopen(users[0]); err != nil {
		return nil, err
	}
	// Mostly all are the same. If not, what is shown goes to the standard output, if that is a terminal.
	shows := users[len(users)-1]
	if c.alone {
		shows = 1
	}
	if c.output, err = duplicate(shows); err != nil {
		return nil, err
	}
	c.resize()
	if m, err := modes(c.user); err == nil {
		c.given = m
		setModes(int(c.slave.Fd()), m)
	}
	return c, nil
}

// duplicate returns another descriptor of an open file. Ours would not survive stage.ReleaseStandard.
func duplicate(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	return dup, nil
}

// reopen opens the same terminal again, so that reading from it does not wait, while for others it does. If
// that is not permitted it is only duplicated.
func reopen(fd int) (int, error) {
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return duplicate(fd)
	}
	return again, nil
}

// standard returns the descriptors 0 to 2 for the supervisor, and so for the command.
func (c *console) standard() []uintptr {
	fds := []uintptr{0, 1, 2}
	if c != nil {
		for _, fd := range c.replaced {
			fds[fd] = c.slave.Fd()
		}
	}
	return fds
}

// show takes the user's terminal over and begins to show there what the command's shows.
func (c *console) show() {
	_ = unix.SetNonblock(int(c.master.Fd()), true)
	c.enter()
	c.shown = make(chan struct{})
	go c.carryOutput()
}

// attend begins to carry what is typed to the command, which runs.
func (c *console) attend(command int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.attended = command
	c.mu.Unlock()
	if c.typed && c.shown != nil {
		go c.carryKeys()
	}
	c.enter()
}

// keySignals returns a channel that gets the signals that the command gets for what the user types.
func (c *console) keySignals() <-chan syscall.Signal {
	if c == nil {
		return nil
	}
	return c.signals
}

// enter makes the user's terminal raw, which leaves everything to the command's. In the background nothing of the kind
// is done until we have come to the foreground.
func (c *console) enter() {
	if c == nil {
		return
	}
	c.resize()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = false
	c.take()
}

// reenter looks whether we have come to the foreground, unless that was left.
func (c *console) reenter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left && c.take() {
		c.resize()
	}
}

// take takes the user's terminal if we are in the foreground. The caller holds mu.
func (c *console) take() bool {
	if !c.typed || !inForeground(c.user) {
		return false
	}
	now, err := modes(c.user)
	if err != nil {
		return false
	}
	c.settle(now)
	if want := raw(now, c.alone); now != want {
		c.saved = now // unless it is raw already, because of us
		setModes(c.user, want)
	}
	c.ours = true
	if !c.reading && c.attended != 0 {
		c.reading = true
		c.resting.raise()
	}
	return true
}

// settle gives the command's terminal the modes that the user's has now, when we are in the foreground for the first
// time: before, they may have been those of a shell that reads a command line.
func (c *console) settle(now unix.Termios) {
	if c.settled {
		return
	}
	c.settled = true
	slave := int(c.slave.Fd())
	if m, err := modes(slave); err == nil && m == c.given {
		setModes(slave, now)
	}
}

// leave gives the user's terminal back as it was. Nothing is read from it afterwards. If we are in the background by now
// then it is others' already.
func (c *console) leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.reading = true, false
	c.resting.raise()
	if c.ours && inForeground(c.user) {
		setModes(c.user, c.saved)
	}
	c.ours = false
}

// resize gives the command's terminal the size of the user's. The kernel tells the command if that is another one.
func (c *console) resize() {
	if c == nil || c.user < 0 {
		return
	}
	if size, err := unix.IoctlGetWinsize(c.user, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(c.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// guard gives the user's terminal back if the goroutine that it is deferred in panics.
func (c *console) guard() {
	if r := recover(); r != nil {
		c.leave()
		panic(r)
	}
}
