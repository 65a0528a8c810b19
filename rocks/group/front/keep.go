package front

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
	"rock/rocks/interpose/seccomp"
)

// keep takes over from a supervisor that died: the command goes on as an ordinary
// one, as our child, and its messages come from waiting for it.
func (f *front) keep(messages chan<- stage.Message) {
	const lost = "rock: the supervisor died: the connections it carried are lost, new ones are ordinary\n"
	f.tell(lost)
	if f.cell != "" && f.rescue != nil {
		if err := f.rescue(f.cell); err != nil {
			f.tell(fmt.Sprintf("rock: the processes may stand still: %v\n", err))
		}
	}
	if f.listener != nil {
		f.startKeeper()
	}
	go f.wait(func(status unix.WaitStatus) {
		if m := messageOf(status); m != nil {
			messages <- m
		}
	})
}

// startKeeper hands the listener to a process of its own: the front ends with the
// command, but others of the group may live on. If that fails the front answers itself
// while it lives.
func (f *front) startKeeper() {
	last := f.lastCall()
	s := stage.Stage{Kind: stage.Keeper, FD: int(f.listener.Fd()), Arg: strconv.FormatUint(last, 10)}
	if _, err := stage.Start(s, nil, []uintptr{0, 1, 2}, &syscall.SysProcAttr{Setsid: true}); err != nil {
		go keepCalls(int(f.listener.Fd()), last)
		return
	}
	_ = f.listener.Close()
}

// lastCall returns the ID of the call that the supervisor received last, 0 if it is not known.
func (f *front) lastCall() uint64 {
	if f.progress == nil {
		return 0
	}
	p, err := seccomp.OpenProgress(f.progress)
	if err != nil {
		return 0
	}
	defer p.Close()
	return p.Last()
}

// Keep is the keeper process: it lets the kernel execute all calls that are trapped by the listener fd,
// which it takes over, until no task under the filter is left. arg is from startKeeper.
func Keep(fd int, arg string) {
	last, _ := strconv.ParseUint(arg, 10, 64) // 0 if it is not known
	keepCalls(fd, last)
}

func keepCalls(fd int, last uint64) {
	l := seccomp.NewListener(fd)
	defer l.Close()
	if last != 0 {
		freeHeld(l, last+seccomp.MostUnnoted)
	}
	done := make(chan struct{})
	seccomp.Locked(func() {
		defer close(done)
		for {
			c, err := l.Receive()
			if err != nil {
				return
			}
			_ = l.Continue(c) // fails only if the task is gone
			if last == 0 {
				last = c.ID
				freeHeld(l, last)
			}
		}
	})
	<-done
}

const (
	// heldCalls is how far back the supervisor may have left calls without an answer.
	heldCalls = 1 << 16
)

// freeHeld answers the calls that the supervisor had received and not answered when it
// died, an accept for instance: nobody is told of them again. The kernel numbers calls one after the
// other (kernel/seccomp.c), so they are among those before id.
func freeHeld(l *seccomp.Listener, id uint64) {
	for range heldCalls {
		id--
		_ = l.Continue(seccomp.Call{ID: id}) // fails if there is no such call, or not any more
	}
}

// tell writes a line to the standard error of the command; ours is gone by now.
func (f *front) tell(line string) {
	w, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", f.command), os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return // closed, or a socket: there is nobody to tell
	}
	defer w.Close()
	_, _ = w.WriteString(line)
}

// wait reports what happens to the command, which has become our child, and buries what else has.
func (f *front) wait(report func(unix.WaitStatus)) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WUNTRACED|unix.WCONTINUED, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			// The command never became our child, so nobody will know how it ended.
			f.awaitEnd()
			report(125 << 8)
			return
		case pid != f.command:
			continue
		}
		report(status)
		if status.Exited() || status.Signaled() {
			return
		}
	}
}

// tellHeir passes a status on to the supervisor that has come in the place of one that died. If that is gone too, receive sees it.
func (f *front) tellHeir(status unix.WaitStatus) { _ = f.channel.Send(stage.Waited{Status: status}) }

// messageOf returns what the supervisor would have said of a status, nil if nothing.
func messageOf(status unix.WaitStatus) stage.Message {
	switch {
	case status.Stopped():
		return stage.Stopped{Signal: int(status.StopSignal())}
	case status.Exited(), status.Signaled():
		return stage.Exited{Status: status}
	}
	return nil
}

// awaitEnd waits for the end of a command that is not our child.
func (f *front) awaitEnd() {
	if f.pidfd == nil {
		return
	}
	p := []unix.PollFd{{Fd: int32(f.pidfd.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, -1); err != unix.EINTR {
			return
		}
	}
}
