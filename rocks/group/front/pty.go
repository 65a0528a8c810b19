package front

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// openPty opens a new pair of terminal ends, with none of the numbers in avoid. The slave is opened through the master
// (ioctl_tty(2)), which goes without its path, and blocks, since the command gets the very same open file.
func openPty(avoid []int) (master, slave *os.File, err error) {
	if master, err = openMaster(avoid); err != nil {
		return nil, nil, err
	}
	m := int(master.Fd())
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		_ = master.Close()
		return nil, nil, fmt.Errorf("unlock terminal: %w", err)
	}
	s, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		_ = master.Close()
		return nil, nil, fmt.Errorf("open slave of terminal: %w", errno)
	}
	return master, os.NewFile(s, "slave"), nil
}

// openMaster opens masters until one has another number than those in avoid: the kernel gives the smallest that is free.
func openMaster(avoid []int) (*os.File, error) {
	for {
		m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open /dev/ptmx: %w", err)
		}
		master := os.NewFile(uintptr(m), "/dev/ptmx")
		if n, err := unix.IoctlGetInt(m, unix.TIOCGPTN); err != nil || !slices.Contains(avoid, n) {
			return master, nil
		}
		defer master.Close() // until there is another one
	}
}

// modes returns the modes of a terminal; an error says that it is none (ENOTTY), or gone.
func modes(fd int) (unix.Termios, error) {
	m, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return unix.Termios{}, err
	}
	return *m, nil
}

// setModes sets the modes of a terminal at once, without waiting for what is being shown: that may take
// for ever. It is not stopped for that in the background. A terminal that is gone has no modes.
func setModes(fd int, m unix.Termios) {
	unstoppable(func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, &m) })
}

// raw returns the modes in which a terminal leaves everything to the one that reads from it, as cfmakeraw(3)
// does. Unless alone, others write to it as well, and count on its dealing with line ends.
func raw(m unix.Termios, alone bool) unix.Termios {
	m.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	if alone {
		m.Oflag &^= unix.OPOST
	}
	m.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	m.Cflag = m.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	m.Cc[unix.VMIN], m.Cc[unix.VTIME] = 1, 0
	return m
}

// addsReturns says whether a terminal shows a newline as a carriage return and a newline.
func addsReturns(m unix.Termios) bool { return m.Oflag&unix.OPOST != 0 && m.Oflag&unix.ONLCR != 0 }

// inForeground says whether a terminal is for this process to read from: its process group is in the foreground there, or
// it is not our controlling terminal, for which there is no such thing.
func inForeground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == unix.ENOTTY || err == nil && group == unix.Getpgrp()
}

// unstoppable runs f on a thread that is not stopped for using the terminal in the background: a read fails
// then, anything else is done.
func unstoppable(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := stage.SetMask(stage.AllSignals)
	stage.SetMask(old | stage.SignalSet(unix.SIGTTIN, unix.SIGTTOU))
	defer stage.SetMask(old)
	f()
}
