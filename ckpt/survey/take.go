package survey

import (
	"fmt"
	"slices"
	"strconv"
)

// look is one survey on its way.
type look struct {
	Options
	*Survey
	proc    procfs
	index   map[int]int       // of Processes by pid
	handles map[int]int       // pidfds, see duplicate
	own     map[string]uint64 // our namespaces
	said    map[string]bool   // problems and warnings that are there, see problem

	files     map[openFile]bool
	mapped    map[string]bool // mappings that were looked at, see maps
	mounts    map[int]bool    // of our namespace, see judgeMount; nil until they are needed
	builds    map[string]string
	blobs     map[inode]bool // deleted files and shared memory that are counted
	pipes     map[string]*pipe
	sockets   map[uint64]*socket
	processFD []pidfd
	masters   map[uint64]bool // rdevs of the terminals whose masters are in the group
	waiting   []waiter
}

// Take looks at the group. The error says that there was nothing to look at. It takes about a millisecond
// for each process with a hundred descriptors or mappings. It may be called at any time by any goroutine.
func Take(o Options) (*Survey, error) {
	if o.GhostLimit == 0 {
		o.GhostLimit = defaultGhostLimit
	}
	l := &look{
		Options: o, Survey: &Survey{},
		index: map[int]int{}, handles: map[int]int{}, said: map[string]bool{},
		files: map[openFile]bool{}, mapped: map[string]bool{}, builds: map[string]string{}, blobs: map[inode]bool{},
		pipes: map[string]*pipe{}, sockets: map[uint64]*socket{}, masters: map[uint64]bool{},
	}
	defer l.release()
	l.own = l.proc.namespaces("self")
	if err := l.tree(); err != nil {
		return nil, fmt.Errorf("look at the group's root, pid %d: %w", o.Root, err)
	}
	for i := range l.Processes {
		if p := &l.Processes[i]; p.State != 'Z' {
			l.exe(p)
			l.folders(p)
			l.descriptors(p)
			l.maps(p)
		}
		l.Memory += l.Processes[i].Memory
	}
	l.judgeTree()
	l.judgeTerminals()
	l.judgePidfds()
	ends := l.judgePipes()
	ends = append(ends, l.judgeSockets()...)
	l.judgeEnds(ends)
	l.judgeQueues()
	l.judgeWaiting()
	byPid := func(a, b Problem) int { return a.PID - b.PID }
	slices.SortStableFunc(l.Problems, byPid)
	slices.SortStableFunc(l.Warnings, byPid)
	return l.Survey, nil
}

// of returns the process with this pid; nil if it is not of the group.
func (l *look) of(pid int) *Process {
	if i, ok := l.index[pid]; ok {
		return &l.Processes[i]
	}
	return nil
}

// problem adds a problem, unless there is one about the same thing: what many processes have inherited
// is said once. The thing may be any text.
func (l *look) problem(p *Process, thing, what, remedy string) {
	if !l.said[thing] {
		l.said[thing] = true
		l.Problems = append(l.Problems, Problem{p.PID, p.Name, what, remedy})
	}
}

// warning is like problem.
func (l *look) warning(p *Process, thing, what, remedy string) {
	if !l.said[thing] {
		l.said[thing] = true
		l.Warnings = append(l.Warnings, Problem{p.PID, p.Name, what, remedy})
	}
}

// thing is a text for what one process has.
func (p *Process) thing(kind string) string { return kind + " of " + strconv.Itoa(p.PID) }

// at is a text for a descriptor.
func at(fd int) string { return " (descriptor " + strconv.Itoa(fd) + ")" }
