package front

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// Options say what to run, and how.
type Options struct {
	Command        []string                // name and arguments
	Name           string                  // of the group, "" for none
	Timeout        time.Duration           // of rocks that are suspended, 0 as configured
	Localhost      bool                    // suspended rocks look for their peers on this host too
	Checkpointable bool                    // the command gets a session of its own, and a terminal if it has one
	Periodic       *stage.Periodic         // checkpoints to be made of it while it runs, nil for none
	Log            *os.File                // for the supervisor, nil for none; Run closes it
	Warn           func(string)            // gets lines for the user, before the command runs
	Rescue         func(cell string) error // lets processes go on that the supervisor had frozen when it died
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

	session   bool           // the command leads a session of its own
	console   *console       // made for the command, nil without
	notices   *os.File       // the user's standard error for the time after the command, nil without
	suspended syscall.Signal // what the command shall be taken to be stopped by, 0 as it says

	command  int    // pid
	cell     string // where its processes may be frozen, "" if they are never
	rescue   func(cell string) error
	pidfd    *os.File // of the command, nil without
	listener *os.File // duplicate of the seccomp listener, nil without
	progress *os.File // tells which call the supervisor received last, nil without
}

// earlySignal is a signal that came before it was known that the command runs.
type earlySignal struct {
	signal
	came stage.Moment
}

// job is what a front is for.
type job struct {
	command  []string   // of the supervisor
	plan     stage.Plan // what of it is known beforehand
	log      *os.File
	warn     func(string)
	rescue   func(cell string) error
	progress func(group.Progress)        // nil if nobody asks
	avoid    []int                       // numbers of terminals that are not to be taken
	prepare  func(context.Context) error // nil if there is nothing to wait for
	ready    func(resume []netip.AddrPort) error
}

// Run runs the command under a supervisor and returns how it ended, which is for
// [Exit]. It returns a *[Failure] if the command did not run. It may be called once in
// a process, early, by the main goroutine: it takes over signals and descriptors.
func Run(o Options) (Result, error) {
	return run(job{
		command: o.Command, log: o.Log, warn: o.Warn, rescue: o.Rescue,
		plan: stage.Plan{
			Name: o.Name, Timeout: o.Timeout, Localhost: o.Localhost, Checkpointable: o.Checkpointable, Periodic: o.Periodic,
		},
	})
}

// run does a job.
func run(j job) (Result, error) {
	in := readInherited()
	f := &front{self: os.Getpid(), group: unix.Getpgrp(), session: j.plan.OwnSession(), rescue: j.rescue}
	defer f.end()
	if err := f.start(j, in); err != nil {
		return Result{}, &Failure{125, err.Error()}
	}
	started, err := f.waitStarted(j)
	if err != nil {
		return Result{}, err
	}
	f.warn(started.Warning, j.warn)
	result := Result{Group: started.Group, Pid: started.Pid}
	if j.plan.Detached {
		return result, nil
	}
	if f.session {
		f.keepNotices()
	}
	stage.ReleaseStandard()
	f.console.attend(f.command)
	f.forwardEarly(started.Joined)
	f.mirror(&result)
	return result, nil
}

// warn hands lines for the user over while the terminal is as the user had it.
func (f *front) warn(lines []string, warn func(string)) {
	if len(lines) == 0 {
		return
	}
	f.console.leave()
	defer f.console.enter()
	for _, line := range lines {
		warn(line)
	}
}

// forwardEarly passes on what came before the command ran.
func (f *front) forwardEarly(joined stage.Moment) {
	for _, s := range f.early {
		if s.came > joined || f.session {
			f.forward(&s.signal)
			continue
		}
		// The command may not have been in the process group yet. Rather twice than never.
		f.witness.saw(s.number())
		f.send(&s.signal)
	}
}

// mirror passes signals on to the command and stops with it until it ends, or until it is elsewhere: in an image or on
// another host.
func (f *front) mirror(r *Result) {
	messages := make(chan stage.Message, 16)
	go f.receive(messages)
	for {
		select {
		case s := <-f.signals:
			f.forward(&s)
		case sig := <-f.console.keySignals():
			f.typed(sig)
		case m := <-messages:
			switch m := m.(type) {
			case stage.Stopped:
				f.stop(syscall.Signal(m.Signal))
			case stage.Exited:
				r.Status = m.Status
				return
			case stage.Checkpointed:
				f.notify(fmt.Sprintf("checkpointed into %s; go on with: rockctl restore -D %s", m.Dir, m.Dir))
				r.Status, r.Elsewhere = unix.WaitStatus(unix.SIGKILL), true
				return
			case stage.Migrated:
				f.notify(fmt.Sprintf("the command lives on, on %s: rockctl ls shows it there", m.Host))
				r.Status, r.Elsewhere = unix.WaitStatus(unix.SIGKILL), true
				return
			case stage.Inherited:
				go f.wait(f.tellHeir)
			case supervisorLost:
				f.keep(messages)
			}
		}
	}
}

// supervisorLost is what receive makes of the end of the channel.
type supervisorLost struct{ stage.Message }

// receive passes messages on until the command has ended or the supervisor is gone.
func (f *front) receive(messages chan<- stage.Message) {
	for {
		m, _, err := f.channel.Receive()
		if err != nil {
			messages <- supervisorLost{}
			return
		}
		messages <- m
		switch m.(type) {
		case stage.Exited, stage.Checkpointed, stage.Migrated:
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
	f.endConsole()
	if f.witness != nil {
		f.witness.end()
	}
	if f.channel != nil {
		_ = f.channel.Close()
	}
}
