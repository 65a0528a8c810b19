package supervise

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// GuardProcess is a process that sees to a group which stands still, should the supervisor die. A nil one is none.
type GuardProcess struct {
	pid     int
	cell    string
	channel *stage.Channel
	link    []*os.File // the transport of a migration, read and write
}

// startGuard starts it. It is to be ended by Tell(stage.PhaseOver).
func startGuard(cell string, link ...*os.File) (*GuardProcess, error) {
	channel, fd, err := stage.NewPair()
	if err != nil {
		return nil, err
	}
	g := &GuardProcess{cell: cell, channel: channel, link: link}
	// Whatever is sent to the supervisor's session is not meant for the guard.
	g.pid, err = stage.Start(stage.Stage{Kind: stage.Guard, FD: fd}, nil, []uintptr{0, 1, 2}, &syscall.SysProcAttr{Setsid: true})
	_ = unix.Close(fd)
	if err == nil {
		err = g.Tell(stage.PhaseStill)
	}
	if err != nil {
		_ = channel.Close()
		return nil, err
	}
	return g, nil
}

// Tell tells the guard what the group is in the middle of. When it returns the guard knows, even if this process dies then.
// The error is that the guard is gone.
func (g *GuardProcess) Tell(p stage.Phase) error {
	if g == nil {
		return nil
	}
	var files []*os.File
	if p == stage.PhaseDeciding {
		files = g.link
	}
	if err := g.channel.Send(stage.Watch{Cell: g.cell, Phase: p}, files...); err != nil {
		return fmt.Errorf("tell the guard of the group: %w", err)
	}
	return nil
}

// end ends the guard. It is reaped with whatever else becomes our child.
func (g *GuardProcess) end() {
	_ = g.Tell(stage.PhaseOver)
	_ = g.channel.Close()
}

// Watch is what a guard was told last, with the transport that came with it.
type Watch struct {
	stage.Watch
	group.Transport // none unless the phase is stage.PhaseDeciding
}

// Guard is the guard process. fd is the descriptor of its channel.
func Guard(fd int, c Checkpointer) int {
	stage.Title("rock-guard")
	channel, err := stage.Open(fd)
	if err != nil {
		return 1
	}
	watches := make(chan Watch)
	go func() {
		defer close(watches)
		for {
			m, files, err := channel.Receive()
			if err != nil {
				return
			}
			if w, ok := m.(stage.Watch); ok {
				watch := Watch{Watch: w}
				if len(files) == 2 {
					watch.Transport = group.Transport{From: files[0], To: files[1]}
				}
				watches <- watch
			}
		}
	}()
	c.Guard(watches)
	return 0
}
