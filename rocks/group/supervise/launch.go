package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/interpose/seccomp"
)

// interposition is what the supervisor needs of package interpose.
type interposition interface {
	Rocks() []group.Rock
	ListenerFile() (*os.File, error)
	ProgressFile() *os.File
	Done() <-chan struct{}
	Close(context.Context) error
}

// launch registers the group, starts the command and tells the front. What rock can do without
// becomes a warning; anything else is why the command did not start.
func (s *supervisor) launch() *stage.Failed {
	// So that the group's orphans stay our descendants, as yama's ptrace_scope 1 requires.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return &stage.Failed{Status: 125, Reason: fmt.Sprintf("become a subreaper: %v", err)}
	}
	settings, err := group.LoadSettings(os.Getenv)
	if err != nil {
		return &stage.Failed{Status: 125, Reason: err.Error()}
	}
	if s.plan.Timeout > 0 {
		settings.Timeout = s.plan.Timeout
	}
	s.timeout = settings.Timeout
	begin := s.begin
	if s.plan.Restore != nil {
		begin = s.restore
	}
	if err := begin(settings); err != nil {
		return failure(err)
	}
	s.joined = stage.Now()
	s.state.set(s.runningState())
	s.log.Info("command started", "pid", s.pid, "command", s.command[0], "front", s.plan.Front)
	s.serve()
	if err := s.announce(); err != nil {
		// The front was killed meanwhile; watch sees that.
		s.log.Warn("front not told", "error", err)
	}
	s.appoint() // not before: an heir has nothing to say to a front that does not know yet that the command runs
	return nil
}

// begin registers the group and starts the command.
func (s *supervisor) begin(settings group.Settings) error {
	if err := s.register(); err != nil {
		return err
	}
	if s.plan.Checkpointable {
		if err := s.makeCell(); err != nil {
			return err
		}
	}
	s.inherited = pipes(s.plan.Files)
	for _, fd := range s.plan.Terminal {
		s.terminal = device(fd)
	}
	process, err := s.startCommand(settings)
	if err != nil {
		return err
	}
	s.pid, s.started = process.Pid, time.Now()
	_ = process.Release() // we wait for it ourselves
	return nil
}

// startCommand starts the command with its connections on rocks, or if that is not possible here
// as an ordinary one.
func (s *supervisor) startCommand(settings group.Settings) (*os.Process, error) {
	p := s.process()
	ip, process, err := interposed(settings, s.log, p)
	if err == nil {
		s.interposition = ip
		return process, nil
	}
	var bad *seccomp.ExecError
	if errors.As(err, &bad) {
		return nil, err
	}
	s.warn(fmt.Sprintf("running without rocks: %v", err))
	return seccomp.StartOrdinary(p)
}

// process describes the command.
func (s *supervisor) process() seccomp.Process {
	p := seccomp.Process{
		Path: s.command[0], Args: s.command,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   attributes(s.plan),
	}
	if _, exact := inheritable(s.plan); !exact {
		p.Path, p.Args, p.Env = viaExec(s.plan, s.command)
	}
	if s.cell != nil {
		p.Around = func(start func() error) error { return s.cell.Around(p.Sys, start) }
	}
	return p
}

// attributes says what the command becomes a member of: the front's process group, or a session of its own
// with the terminal that was made for it.
func attributes(p stage.Plan) *syscall.SysProcAttr {
	if !p.OwnSession() {
		return &syscall.SysProcAttr{Setpgid: true, Pgid: p.Group}
	}
	a := &syscall.SysProcAttr{Setsid: true}
	if len(p.Terminal) > 0 {
		a.Setctty, a.Ctty = true, p.Terminal[0]
	}
	return a
}

// failure says what the front shall exit with because the command did not start.
func failure(err error) *stage.Failed {
	f := &stage.Failed{Status: 125, Reason: err.Error()}
	switch {
	case errors.Is(err, seccomp.ErrNotFound):
		f.Status = 127
	case errors.Is(err, seccomp.ErrNotExecutable):
		f.Status = 126
	}
	return f
}

// register gives the group its place in the runtime directory. Without one it cannot be operated
// on, but the command can run, unless it was to have a name.
func (s *supervisor) register() error {
	err := s.registerAs("")
	if err == nil || s.plan.Name != "" || s.plan.OwnSession() {
		return err
	}
	s.warn(fmt.Sprintf("rockctl will not see this group: %v", err))
	return nil
}

// registerAs does so under an id that the group has had before; "" for a new one.
func (s *supervisor) registerAs(id string) error {
	dir, err := group.OpenDir(os.Getenv)
	if err == nil {
		s.registration, err = dir.Register(s.plan.Name, id)
	}
	return err
}

// serve starts to answer on the control socket.
func (s *supervisor) serve() {
	if s.registration == nil {
		return
	}
	server, err := group.Serve(s.registration.ControlPath(), s, s.log)
	if err != nil {
		s.warn(fmt.Sprintf("rockctl will not see this group: %v", err))
		return
	}
	s.server = server
}

// warn notes a line for the user.
func (s *supervisor) warn(line string) {
	s.log.Warn(line)
	s.warnings = append(s.warnings, line)
}

// announce tells the front that the command runs, with a pidfd to signal it by and the listener
// to answer if we die.
func (s *supervisor) announce() error {
	m := stage.Started{Pid: s.pid, Joined: s.joined, Warning: s.warnings}
	if s.registration != nil {
		m.Group = s.registration.ID
	}
	if s.cell != nil {
		m.Cell = s.cell.Path()
	}
	var files []*os.File
	if fd, err := unix.PidfdOpen(s.pid, 0); err == nil {
		m.Handles.Pidfd = true
		files = append(files, os.NewFile(uintptr(fd), "pidfd"))
	}
	if s.interposition != nil {
		if f, err := s.interposition.ListenerFile(); err == nil {
			m.Handles.Listener = true
			files = append(files, f)
		}
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if m.Handles.Listener {
		if f := s.interposition.ProgressFile(); f != nil {
			m.Handles.Progress = true
			return s.channel.Send(m, append(files[:len(files):len(files)], f)...)
		}
	}
	return s.channel.Send(m, files...)
}
