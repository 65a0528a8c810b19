package supervise

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"golang.org/x/sys/unix"

	"rock/rocks/estate"
	"rock/rocks/group/stage"
	"rock/rocks/group/trustee"
	"rock/rocks/interpose"
)

// A supervisor that dies, by a kill -9 or by a fault of its own, has an heir, which goes on in its place (heir.go). What that needs to know
// is in the estate; what the supervisor had open is kept by the trustee, which becomes the heir.

// papersRecord is what the record is published as that holds the papers.
const papersRecord = interpose.OthersRecords

// papers say what the heir must know besides what the packages below keep.
type papers struct {
	Plan      stage.Plan    `msgpack:"plan"`
	ID        string        `msgpack:"id"` // of the group, "" if it is not registered
	Pid       int           `msgpack:"pid"`
	Started   time.Time     `msgpack:"started"`
	Timeout   time.Duration `msgpack:"timeout"`
	Port      uint16        `msgpack:"port"` // where peers resume
	Home      netip.Addr    `msgpack:"home"`
	Cell      string        `msgpack:"cell"` // path of the cgroup, "" for none
	Inherited []string      `msgpack:"inherited"`
	Terminal  uint64        `msgpack:"terminal"`
	Heirs     []time.Time   `msgpack:"heirs"` // when supervisors of this group have died lately
	Operation operation     `msgpack:"operation"`

	// Descriptors, -1 for none.
	Channel  int `msgpack:"channel"`
	Calls    int `msgpack:"calls"`
	Progress int `msgpack:"progress"`
	Lock     int `msgpack:"lock"`    // of the registration
	Control  int `msgpack:"control"` // socket
	Log      int `msgpack:"log"`
	Master   int `msgpack:"master"`
}

// operation is a checkpoint or a migration that is under way.
type operation struct {
	Guard int    `msgpack:"guard"` // pid of the guard, which decides what becomes of the group; 0: there is no operation
	Image string `msgpack:"image"` // where the group goes
	Host  string `msgpack:"host"`
}

// A fault that kills one supervisor after the other is not to go on for ever: after so many in so much time the next has no heir.
const (
	mostHeirs = 30
	heirsTime = time.Minute
)

// succession is what a supervisor does for its heir.
type succession struct {
	record *estate.Record // of the papers; nil without an heir
	calls  *os.File       // the seccomp listener
	heirs  []time.Time
	operation
}

// appoint sees to an heir. Without one the group would go on as an ordinary one should this process die (package front).
func (s *supervisor) appoint() {
	w, ok := s.interposition.(*withRocks)
	if !ok || w.estate == nil {
		return
	}
	if len(s.heirs) >= mostHeirs {
		s.log.Error("supervisors of this group keep dying: this one has no heir")
		return
	}
	if err := s.leaveTo(w); err != nil {
		s.log.Warn("nobody would go on with the connections should the supervisor die", "error", err)
	}
}

func (s *supervisor) leaveTo(w *withRocks) error {
	var err error
	if s.calls, err = w.ListenerFile(); err != nil {
		return err
	}
	if s.record, err = w.estate.NewRecord(); err != nil {
		return err
	}
	if err := s.writePapers(w); err != nil {
		return err
	}
	s.record.Publish(papersRecord)
	fd := int(w.estate.File().Fd())
	path, argv, env := stage.Command(stage.Stage{Kind: stage.Heir, FD: fd}, s.command)
	s.trustee, err = trustee.Start(path, argv, env)
	return err
}

// writePapers brings the papers up to date.
func (s *supervisor) writePapers(w *withRocks) error {
	channel, err := s.channel.Descriptor()
	if err != nil {
		return err
	}
	control := -1
	if s.server != nil {
		if control, err = s.server.Descriptor(); err != nil {
			return err
		}
	}
	p := papers{
		Plan: s.plan, Pid: s.pid, Started: s.started, Timeout: s.timeout,
		Port: s.port(), Home: w.interposer.Home(), Inherited: s.inherited, Terminal: s.terminal, Heirs: s.heirs, Operation: s.operation,
		Lock: -1, Control: control,
		Channel: channel, Calls: int(s.calls.Fd()), Progress: descriptor(w.ProgressFile()), Log: descriptor(s.logFile), Master: descriptor(s.master),
	}
	if s.registration != nil {
		p.ID, p.Lock = s.registration.ID, descriptor(s.registration.Lock())
	}
	if s.cell != nil {
		p.Cell = s.cell.Path()
	}
	b, err := msgpack.Marshal(&p)
	if err != nil {
		return fmt.Errorf("encode papers: %w", err)
	}
	return s.record.Write(b)
}

// takenUp writes down that an operation is under way. It returns what writes down that it is over.
func (s *supervisor) takenUp(o operation) (over func()) {
	set := func(o operation) {
		s.operation = o
		w, ok := s.interposition.(*withRocks)
		if s.record == nil || !ok {
			return
		}
		if err := s.writePapers(w); err != nil {
			s.log.Warn("an heir would not know of the operation", "error", err)
		}
	}
	set(o)
	return func() { set(operation{}) }
}

// descriptor returns that of a file, -1 for none. The file is not to be waited for: it blocks from then on.
func descriptor(f *os.File) int {
	if f == nil {
		return -1
	}
	return int(f.Fd())
}

// dismiss ends the trustee: this process ends in order.
func (s *supervisor) dismiss() {
	if s.trustee == nil {
		return
	}
	if err := s.trustee.End(); err != nil {
		s.log.Warn("trustee not ended", "error", err)
	}
}

// readPapers finds the papers in an estate.
func readPapers(e *estate.Estate) (*papers, error) {
	for r, kind := range e.Records() {
		if kind != papersRecord {
			continue
		}
		b, err := r.Read()
		if err != nil {
			return nil, err
		}
		p := new(papers)
		if err := msgpack.Unmarshal(b, p); err != nil {
			return nil, fmt.Errorf("read papers: %w", err)
		}
		return p, nil
	}
	return nil, fmt.Errorf("read papers: there are none")
}

// descriptors are those that the heir takes over.
func (p *papers) descriptors() []int {
	return []int{p.Channel, p.Calls, p.Progress, p.Lock, p.Control, p.Log, p.Master}
}

// openDescriptors returns all descriptors above the standard ones that are open, and makes them close-on-exec.
func openDescriptors() []int {
	var fds []int
	for fd := range stage.Descriptors() {
		if fd <= 2 {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}
