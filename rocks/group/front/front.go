package front

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// Options say what to run, and how.
type Options struct {
	Command []string      // name and arguments
	Name    string        // of the group, "" for none
	Timeout time.Duration // of rocks that are suspended, 0 as configured
	Log     *os.File      // for the supervisor, nil for none; Run closes it
	Warn    func(string)  // gets lines for the user, before the command runs
}

// A Failure is why the command did not run: a reason for the user, and the exit
// status that tells it (125 a failure of rock, 126 not executable, 127 not found).
type Failure struct {
	Status int
	Reason string
}

// Error returns the reason.
func (f *Failure) Error() string { return f.Reason }

// front is the process that the user started.
type front struct {
	self       int // pid
	group      int // process group
	supervisor int // pid
	channel    *stage.Channel
	signals    <-chan signal
	witness    *witness
	early      []earlySignal

	command  int      // pid
	pidfd    *os.File // of the command, nil without
	listener *os.File // duplicate of the seccomp listener, nil without
	progress *os.File // tells which call the supervisor received last, nil without
}

// earlySignal is a signal that came before it was known that the command runs.
type earlySignal struct {
	signal
	came stage.Moment
}

// Run runs the command under a supervisor and returns how it ended, which is for
// [Exit]. It returns a *[Failure] if the command did not run. It may be called once in
// a process, early, by the main goroutine: it takes over signals and descriptors.
func Run(o Options) (unix.WaitStatus, error) {
	in := readInherited()
	f := &front{self: os.Getpid(), group: unix.Getpgrp()}
	if err := f.start(o, in); err != nil {
		return 0, &Failure{125, err.Error()}
	}
	defer f.end()
	started, err := f.waitStarted()
	if err != nil {
		return 0, err
	}
	for _, line := range started.Warning {
		o.Warn(line)
	}
	releaseStandard()
	for _, s := range f.early {
		if s.came > started.Joined {
			f.forward(&s.signal)
			continue
		}
		// The command may not have been in the process group yet. Rather twice than never.
		f.witness.saw(s.number())
		f.send(&s.signal)
	}
	return f.mirror(), nil
}

// start starts supervisor and witness and hands over the plan.
func (f *front) start(o Options, in inherited) error {
	var err error
	if f.signals, err = recordSignals(); err != nil {
		return err
	}
	channel, fd, err := stage.NewPair()
	if err != nil {
		return err
	}
	f.channel = channel
	s := stage.Stage{Kind: stage.Supervisor, FD: fd}
	f.supervisor, err = stage.Start(s, o.Command, []uintptr{0, 1, 2}, &syscall.SysProcAttr{Setpgid: true})
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
	plan := stage.Plan{
		Name: o.Name, Timeout: o.Timeout, Front: f.self, Parent: os.Getppid(), Group: f.group,
		Mask: in.mask, Ignored: in.ignored, Files: in.files,
	}
	if o.Log == nil {
		return f.channel.Send(plan)
	}
	defer o.Log.Close()
	plan.Handles.Log = true
	return f.channel.Send(plan, o.Log)
}

// waitStarted waits until the command runs, keeping the signals that come meanwhile.
func (f *front) waitStarted() (*stage.Started, error) {
	type answer struct {
		m     stage.Message
		files []*os.File
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		m, files, err := f.channel.Receive()
		answers <- answer{m, files, err}
	}()
	for {
		select {
		case s := <-f.signals:
			f.early = append(f.early, earlySignal{s, stage.Now()})
		case a := <-answers:
			switch m := a.m.(type) {
			case stage.Started:
				f.command = m.Pid
				f.pidfd, f.listener, f.progress = m.Handles.Sort(a.files)
				return &m, nil
			case stage.Failed:
				return nil, &Failure{m.Status, m.Reason}
			}
			return nil, &Failure{125, fmt.Sprintf("the supervisor ended before the command ran (%v); see --log", a.err)}
		}
	}
}

// releaseStandard lets go of what the user gave the command: who reads from a pipe
// waits until the last writer has closed it, and we are none.
func releaseStandard() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0)
	}
}

// mirror passes signals on to the command and stops with it until it ends.
func (f *front) mirror() unix.WaitStatus {
	messages := make(chan stage.Message, 16)
	go f.receive(messages)
	for {
		select {
		case s := <-f.signals:
			f.forward(&s)
		case m := <-messages:
			switch m := m.(type) {
			case stage.Stopped:
				f.stop(syscall.Signal(m.Signal))
			case stage.Exited:
				return m.Status
			case supervisorLost:
				f.keep(messages)
			}
		}
	}
}

// supervisorLost is what receive makes of the end of the channel.
type supervisorLost struct{ stage.Message }

// receive passes messages on until the command has exited or the supervisor is gone.
func (f *front) receive(messages chan<- stage.Message) {
	for {
		m, _, err := f.channel.Receive()
		if err != nil {
			messages <- supervisorLost{}
			return
		}
		messages <- m
		if _, ok := m.(stage.Exited); ok {
			return
		}
	}
}

// drain forwards the signals that this process has got so far. A SIGCONT above all must not be left
// behind when it stops, because that would discard it.
func (f *front) drain() {
	for pendingSignals().Has(unix.SIGCONT) {
		runtime.Gosched() // until some thread has run its handler
	}
	if err := recordNothing(); err != nil {
		return // the pipe is full, so there are many, and more than one round for them
	}
	for s := range f.signals {
		if s.number() == 0 {
			return
		}
		f.forward(&s)
	}
}

// end releases what the front holds.
func (f *front) end() {
	if f.witness != nil {
		f.witness.end()
	}
	_ = f.channel.Close()
}
