package survey

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tree looks at the processes: Root, those of Pids, and all their descendants.
func (l *look) tree() error {
	queue := append([]int{l.Root}, l.Pids...)
	known := map[int]bool{}
	for _, pid := range queue {
		known[pid] = true
	}
	for i := 0; i < len(queue); i++ {
		pid := queue[i]
		if l.of(pid) != nil {
			continue
		}
		p, err := l.process(pid)
		if err == nil && pid == l.Root && p.State == 'Z' && len(p.Threads) < 2 {
			err = unix.ESRCH
		}
		if err != nil {
			if pid == l.Root {
				return err
			}
			if !gone(err) {
				p.PID = pid
				l.problem(&p, p.thing("sight"), "cannot be looked at ("+err.Error()+")", "run as root")
			}
			continue
		}
		l.index[pid] = len(l.Processes)
		l.Processes = append(l.Processes, p)
		for _, child := range l.children(&p) {
			if !known[child] {
				known[child] = true
				if l.joined(&p, child) {
					queue = append(queue, child)
				}
			}
		}
	}
	return nil
}

// children returns the children of a process. It needs CONFIG_PROC_CHILDREN; without it there are none.
func (l *look) children(p *Process) []int {
	var pids []int
	for _, tid := range p.Threads {
		list, err := l.proc.read(strconv.Itoa(p.PID), "task/"+strconv.Itoa(tid)+"/children")
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// joined says whether a child that is not among Pids is of the group: it came after they were listed, or is a
// zombie. Else it has been moved to another cgroup, where the freezer does not get at it.
func (l *look) joined(parent *Process, child int) bool {
	p := Process{PID: child}
	if l.stat(&p) != nil || p.State == 'Z' {
		return p.State == 'Z'
	}
	is, err := l.proc.read(strconv.Itoa(child), "cgroup")
	if err != nil {
		return false
	}
	is = bytes.Clone(is)
	if want, err := l.proc.read(strconv.Itoa(parent.PID), "cgroup"); err != nil || bytes.Equal(is, want) {
		return true
	}
	if l.lives(child, child) { // one that ends leaves its cgroups first
		l.problem(&p, p.thing("cgroup"), "has left the cgroup of the group", "do not move processes of the group to other cgroups")
	}
	return false
}

// inTree says whether a process is Root or descends from it.
func (l *look) inTree(p *Process) bool {
	for range l.Processes { // as a guard against a circle of pids that were used again meanwhile
		if p == nil || p.PID == l.Root {
			return p != nil
		}
		if p = l.of(p.Parent); p != nil && p.State == 'Z' && p.PID != l.Root {
			return false // it has lost its children by now
		}
	}
	return false
}

// strays returns the processes that do not descend from Root. A zombie is not counted: its new parent
// is about to bury it.
func (l *look) strays() []*Process {
	// A second look comes first, since a parent may have ended between the looks at both.
	ended := map[int]bool{}
	for i := range l.Processes {
		p := &l.Processes[i]
		if !l.inTree(p) && (gone(l.stat(p)) || p.State == 'Z') {
			ended[p.PID] = true
		}
	}
	l.Processes = slices.DeleteFunc(l.Processes, func(p Process) bool { return ended[p.PID] })
	clear(l.index)
	for i, p := range l.Processes {
		l.index[p.PID] = i
	}
	var strays []*Process
	for i := range l.Processes {
		if p := &l.Processes[i]; !l.inTree(p) {
			strays = append(strays, p)
		}
	}
	return strays
}
