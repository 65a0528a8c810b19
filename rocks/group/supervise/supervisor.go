package supervise

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/group/trustee"
)

// briefTime is how long flight logs may take after SIGTERM.
const briefTime = 5 * time.Second

// supervisor is the process that supervises a group.
type supervisor struct {
	plan     stage.Plan
	command  []string
	channel  *stage.Channel
	log      *slog.Logger
	warnings []string // for the front, and so the user
	slave    *os.File // of the terminal for what is restored, nil without
	ckpt     Checkpointer

	busy        sync.Mutex // held while a checkpoint is made
	cell        Cell       // nil if the group is not checkpointable
	inherited   []string   // pipes that the command was started with
	terminal    uint64     // rdev of the terminal that was made for it; 0: none
	commandGone atomic.Bool
	away        atomic.Pointer[away] // where the group is now, if it was ended by a checkpoint or a migration
	settling    doubt
	moved       *Moved        // after a migration
	leave       chan struct{} // closed when what is left after a migration is to end
	leaveOnce   sync.Once

	registration  *group.Registration // nil without
	server        *group.Server       // nil without
	interposition interposition       // nil without
	pid           int                 // of the command
	started       time.Time
	timeout       time.Duration // of rocks that are suspended
	joined        stage.Moment
	state         state
	nudge         *time.Timer // continues the front; nil before the first time

	brief context.Context // done after SIGTERM

	heir    bool                 // another was the supervisor before, and has died: see heir.go
	waited  chan unix.WaitStatus // what the front says about the command to an heir
	trustee *trustee.Trustee     // nil without
	succession
	logFile *os.File // nil without
	master  *os.File // of a terminal that nobody looks at, nil without
}

// Run is the supervisor. fd is the descriptor of its channel; ckpt is for groups that are checkpointable or
// restored. It returns when nothing is left
// to do, with an exit status that nobody asks for.
func Run(fd int, command []string, ckpt Checkpointer) int {
	stage.Title("rock-supervisor")
	channel, err := stage.Open(fd)
	if err != nil {
		return 1
	}
	m, files, err := channel.Receive()
	plan, ok := m.(stage.Plan)
	if err != nil || !ok {
		return 1 // the front died before it told
	}
	log, slave, master := plan.Handles.Sort(files)
	s := newSupervisor(plan, command, channel, ckpt)
	s.openLog(log)
	s.slave = slave
	s.keepTerminal(master)
	return s.run()
}

func newSupervisor(plan stage.Plan, command []string, channel *stage.Channel, ckpt Checkpointer) *supervisor {
	return &supervisor{
		plan: plan, command: command, channel: channel, ckpt: ckpt,
		leave: make(chan struct{}), waited: make(chan unix.WaitStatus, 16),
	}
}

func (s *supervisor) run() int {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	stop := s.takeSignals()
	defer stop()

	if failed := s.launch(); failed != nil {
		s.log.Error("command not started", "error", failed.Reason)
		buryRest()
		_ = s.channel.Send(*failed)
		s.close(context.Background())
		return failed.Status
	}
	s.release()
	return s.serveGroup(children)
}

// serveGroup is what the supervisor does from when the command runs until nothing is left to do.
func (s *supervisor) serveGroup(children <-chan os.Signal) int {
	defer s.dismiss()
	defer s.locate()()
	ctx, cancel := context.WithCancel(context.Background())
	var periodic sync.WaitGroup
	if s.plan.Periodic != nil {
		periodic.Go(func() { s.periodic(ctx) })
	}
	if s.heir {
		s.watchInherited()
	} else {
		s.watch(children)
	}
	cancel()
	periodic.Wait()
	s.busy.Lock()
	//lint:ignore SA2001 a checkpoint comes to its end first
	s.busy.Unlock()
	if s.moved != nil {
		s.forward()
		return 0
	}
	s.linger()
	return 0
}

// takeSignals makes this process ignore what the command shall ignore, which inherits that, and
// survive all other signals. SIGTERM ends the context brief.
func (s *supervisor) takeSignals() (stop func()) {
	direct, _ := inheritable(s.plan)
	var deaf []os.Signal
	for sig := range stage.AllSignals.All() {
		switch {
		case direct.Has(sig):
			signal.Ignore(sig)
		case deafTo.Has(sig):
			deaf = append(deaf, sig)
		}
	}
	signal.Notify(make(chan os.Signal, 1), deaf...) // caught: gone with the exec of the command
	if direct.Has(unix.SIGTERM) {
		// Without a handler for it the command would not inherit it ignored.
		s.brief = context.Background()
		return func() {}
	}
	s.brief, stop = signal.NotifyContext(context.Background(), unix.SIGTERM)
	return stop
}

// deafTo are the signals that would end or stop the supervisor. It must outlive the group whatever
// somebody sends to all that is called rock.
var deafTo = stage.SignalSet(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2,
	unix.SIGPIPE, unix.SIGALRM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGXCPU, unix.SIGXFSZ,
	unix.SIGVTALRM, unix.SIGPOLL, unix.SIGPWR)

// linger waits until the rocks have delivered what the group wrote last, and closes everything.
func (s *supervisor) linger() {
	s.log.Info("no process is left")
	s.state.set(group.Ending)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(s.brief, func() { time.AfterFunc(briefTime, cancel) })()
	s.close(ctx)
}

// close releases what launch made.
func (s *supervisor) close(ctx context.Context) {
	if s.interposition != nil {
		if err := s.interposition.Close(ctx); err != nil {
			s.log.Warn("not all was delivered", "error", err)
		}
	}
	s.removeCell()
	s.withdraw()
}

// withdraw takes the group out of the runtime directory.
func (s *supervisor) withdraw() {
	if s.server != nil {
		_ = s.server.Close()
	}
	if s.registration != nil {
		if err := s.registration.Close(); err != nil {
			s.log.Warn("runtime directory not cleaned", "error", err)
		}
	}
	s.log.Info("supervisor ends")
}
