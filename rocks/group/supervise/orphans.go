package supervise

import (
	"os"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// When a shell ends, its jobs become orphaned process groups (setpgid(2)): nobody can continue them
// any more. So the kernel hangs up those that are stopped, and no longer stops the others for
// reading from the terminal. Jobs that have the supervisor as parent of a member are not orphaned in the
// kernel's eyes, since it is in their session. The functions below make up for that. They are not needed if the
// command has a session of its own, in which the supervisor is not.

// releaseSession is for the end of the command, which may have been a shell: the supervisor leaves
// the session, and the stopped ones of the jobs that it adopted are hung up. group is a process group
// of the session.
func releaseSession(group int) {
	// A leader of a process group cannot make a session, and so joins another one first.
	if err := unix.Setpgid(0, group); err == nil {
		_, _ = unix.Setsid()
	}
	var stopped []int // their process groups
	for _, pid := range children() {
		if p, err := stage.ReadProcess(pid); err == nil && p.State == 'T' {
			stopped = append(stopped, p.Group)
		}
	}
	if stopped == nil {
		return // which saves a look at all processes
	}
	all := stage.Processes()
	for _, group := range stopped {
		if stage.Orphaned(group, all, func(stage.Process) bool { return false }) {
			hangUpGroup(group)
		}
	}
}

// hangUp is for the end of the front's parent, which may have been a shell too: if the front is
// stopped and its process group orphaned, ourselves not counted, it is hung up.
func hangUp(group, front int) {
	all, self := stage.Processes(), os.Getpid()
	if all[front].State == 'T' && stage.Orphaned(group, all, func(p stage.Process) bool { return p.Parent == self }) {
		hangUpGroup(group)
	}
}

func hangUpGroup(group int) {
	_ = unix.Kill(-group, unix.SIGHUP)
	_ = unix.Kill(-group, unix.SIGCONT)
}

// endOf returns a channel that is closed when a process ends; nil if that cannot be seen.
func endOf(pid int) <-chan struct{} {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	end := make(chan struct{})
	go func() {
		defer unix.Close(fd)
		for {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
				close(end)
				return
			}
		}
	}()
	return end
}
