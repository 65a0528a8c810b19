package front

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// start starts supervisor and witness and hands over the plan.
func (f *front) start(j job, in inherited) error {
	if j.log != nil {
		defer j.log.Close()
	}
	var err error
	if f.signals, err = recordSignals(); err != nil {
		return err
	}
	if err := f.openConsole(j.plan, j.avoid); err != nil {
		return err
	}
	channel, fd, err := stage.NewPair()
	if err != nil {
		return err
	}
	f.channel = channel
	s := stage.Stage{Kind: stage.Supervisor, FD: fd}
	attr := &syscall.SysProcAttr{Setpgid: !f.session, Setsid: f.session}
	f.supervisor, err = stage.Start(s, j.command, f.console.standard(), attr)
	_ = unix.Close(fd)
	if err != nil {
		return err
	}
	for _, fd := range in.files {
		_ = unix.Close(fd)
	}
	if f.witness, err = newWitness(); err != nil {
		return err
	}
	// If the supervisor dies its children shall become ours.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if j.prepare != nil {
		if err := f.prepare(j.prepare); err != nil {
			return err
		}
	}
	plan := j.plan
	plan.Front, plan.Parent, plan.Group = f.self, os.Getppid(), f.group
	plan.Mask, plan.Ignored, plan.Files = in.mask, in.ignored, in.files
	return f.sendPlan(plan, j.log)
}

// prepare waits until there is something to do for the supervisor, which has started meanwhile.
func (f *front) prepare(wait func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	prepared := make(chan error, 1)
	go func() { prepared <- wait(ctx) }()
	for {
		select {
		case err := <-prepared:
			return err
		case s := <-f.signals:
			if endsPrograms(s.number()) {
				cancel(fmt.Errorf("ended by a signal (%v)", s.number()))
			}
		}
	}
}

// openConsole makes the terminal that the command gets, if it is to have one, with none of the numbers in avoid.
func (f *front) openConsole(p stage.Plan, avoid []int) (err error) {
	switch {
	case p.Detached:
		f.console, err = newConsole([]int{0, 1, 2}, avoid)
		return err // which nobody attends to here
	case p.Restore != nil:
		f.console, err = newConsole(terminals(), avoid)
	case p.Checkpointable && len(terminals()) > 0:
		f.console, err = newConsole(terminals(), nil)
	}
	if err == nil && f.console != nil {
		f.console.show()
	}
	return err
}

// sendPlan sends the plan with the descriptors that belong to it.
func (f *front) sendPlan(p stage.Plan, log *os.File) error {
	var files []*os.File
	if log != nil {
		p.Handles.Log = true
		files = append(files, log)
	}
	if f.console != nil {
		p.Terminal = f.console.replaced
	}
	if p.Restore != nil {
		p.Handles.Slave = true
		files = append(files, f.console.slave)
	}
	if p.Detached {
		p.Handles.Master = true
		files = append(files, f.console.master)
	}
	return f.channel.Send(p, files...)
}

// waitStarted waits until the command runs, keeping the signals that come meanwhile.
func (f *front) waitStarted(j job) (*stage.Started, error) {
	type answer struct {
		m     stage.Message
		files []*os.File
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		for {
			m, files, err := f.channel.Receive()
			answers <- answer{m, files, err}
			switch m.(type) {
			case stage.Progress, stage.Ready:
			default:
				return
			}
		}
	}()
	decided := make(chan error, 1)
	var givenUp error
	for {
		select {
		case err := <-decided:
			if err == nil {
				err = f.channel.Send(stage.Go{})
			}
			if err != nil {
				givenUp = err
				_ = f.channel.CloseWrite() // the supervisor gives it up, and says when nothing is left of it
			}
		case s := <-f.signals:
			f.early = append(f.early, earlySignal{s, stage.Now()})
		case a := <-answers:
			switch m := a.m.(type) {
			case stage.Progress:
				if j.progress != nil {
					j.progress(group.Progress(m))
				}
				continue
			case stage.Ready:
				go func() { decided <- j.ready(m.Resume) }()
				continue
			case stage.Started:
				f.command, f.cell = m.Pid, m.Cell
				f.pidfd, f.listener, f.progress = m.Handles.Sort(a.files)
				return &m, nil
			case stage.Failed:
				if givenUp != nil {
					break
				}
				return nil, &Failure{m.Status, m.Reason}
			}
			if givenUp != nil {
				return nil, &Failure{125, givenUp.Error()}
			}
			return nil, &Failure{125, fmt.Sprintf("the supervisor ended before the command ran (%v); see --log", a.err)}
		}
	}
}
