package survey

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// judgeTree says what is wrong with the processes themselves.
func (l *look) judgeTree() {
	for _, p := range l.strays() {
		l.problem(p, p.thing("tree"), "has left the tree of the command (daemonized)", "run it in the foreground")
	}
	for i := range l.Processes {
		p := &l.Processes[i]
		l.judgeSession(p)
		if p.State == 'Z' {
			if slices.ContainsFunc(p.Threads, func(tid int) bool { return tid != p.PID && l.lives(p.PID, tid) }) {
				l.problem(p, p.thing("main thread"), "goes on without its main thread, which has ended", "wait for the end of the process")
			}
			continue
		}
		if p.Tracer != 0 {
			l.problem(p, p.thing("tracer"), "is traced by "+l.name(p.Tracer), "detach the debugger")
		}
		if p.Filters > 1 {
			l.problem(p, p.thing("filters"), fmt.Sprintf("has seccomp filters of its own (%d)", p.Filters-1),
				"not yet possible to restore; switch off its sandbox")
		}
		l.judgeNamespaces(p)
		if strings.HasSuffix(p.Root, " (deleted)") {
			l.problem(p, p.thing("root"), "has a root directory that was deleted, "+strings.TrimSuffix(p.Root, " (deleted)"), "put it back")
		}
	}
}

// lives says whether a thread is not about to end.
func (l *look) lives(pid, tid int) bool {
	const exiting = 4 // PF_EXITING
	task := "task/" + strconv.Itoa(tid)
	status, err := l.proc.read(strconv.Itoa(pid), task+"/status")
	if err != nil {
		return false
	}
	if pending, err := strconv.ParseUint(field(status, "SigPnd"), 16, 64); err != nil || pending&(1<<(unix.SIGKILL-1)) != 0 {
		return false
	}
	stat, err := l.proc.read(strconv.Itoa(pid), task+"/stat")
	if err != nil {
		return false
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 7 {
		return false
	}
	flags, err := strconv.Atoi(f[6])
	return err == nil && flags&exiting == 0
}

// judgeSession checks that the process's session began in the group.
func (l *look) judgeSession(p *Process) {
	switch {
	case p.Session == p.PID:
	case p.PID == l.Root:
		l.problem(p, "session", "is not the leader of a session", "start the command with rock -k")
	case l.of(p.Session) == nil && p.State != 'Z':
		leader := Process{PID: p.Session}
		if p.Session != 0 && gone(l.stat(&leader)) {
			if parent := l.of(p.Parent); parent != nil && parent.Session != p.Session {
				l.problem(p, p.thing("session"), fmt.Sprintf("is in session %d, whose leader has ended, and was adopted by %s", p.Session, l.name(p.Parent)),
					"do not end a session's leader before its children")
			}
			return // as the descendant of one in the same session, it is created again there
		}
		l.problem(p, p.thing("session"), fmt.Sprintf("is in the session of %s, outside of the group", l.name(p.Session)),
			"start the command with rock -k")
	}
}

// judgeNamespaces checks that there is no container inside of the group.
func (l *look) judgeNamespaces(p *Process) {
	root := l.of(l.Root)
	for _, n := range []struct{ name, kind string }{
		{"pid", "pid"}, {"mnt", "mount"}, {"net", "network"}, {"user", "user"}, {"ipc", "IPC"}, {"uts", "host name"},
	} {
		is, ok := p.Namespaces[n.name]
		want := l.own[n.name]
		if n.name == "pid" || n.name == "ipc" || n.name == "uts" {
			want = root.Namespaces[n.name] // that of the root may be its own
		}
		if ok && is != want {
			l.problem(p, "namespace "+n.name+strconv.FormatUint(is, 10), "is in a "+n.kind+" namespace of its own",
				"run it without a container or sandbox inside of the group")
		}
	}
}

// waiter is a thread that was found in state D.
type waiter struct{ pid, tid int }

// judgeWaiting takes a second look at the threads that could not be interrupted: most were just about to
// read from a disk.
func (l *look) judgeWaiting() {
	for _, w := range l.waiting {
		dir, task := strconv.Itoa(w.pid), "task/"+strconv.Itoa(w.tid)
		status, err := l.proc.read(dir, task+"/status")
		p := l.of(w.pid)
		if p == nil || err != nil || !strings.HasPrefix(field(status, "State"), "D") {
			continue
		}
		where := ""
		if b, err := l.proc.read(dir, task+"/wchan"); err == nil && len(b) > 1 {
			where = ", in " + string(b)
		}
		l.warning(p, p.thing("wait"), "waits in the kernel and cannot be interrupted (state D"+where+")",
			"if it does not end within some seconds the checkpoint fails: a process between vfork and exec, or a file system that hangs")
	}
}

// judgeQueues warns of System V message queues, which no descriptor or mapping shows.
func (l *look) judgeQueues() {
	b, err := l.proc.read("sysvipc", "msg")
	if err != nil {
		return
	}
	// The columns: key msqid perms cbytes qnum lspid lrpid uid …
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 7 {
			continue
		}
		for _, user := range f[5:7] {
			pid, _ := strconv.Atoi(user)
			if p := l.of(pid); p != nil {
				l.warning(p, "message queue "+f[1], "uses the System V message queue "+f[1], "it must be there when the group is restored")
			}
		}
	}
}

// name describes a process for a message: "bash (pid 12)".
func (l *look) name(pid int) string {
	b, err := l.proc.read(strconv.Itoa(pid), "comm")
	if err != nil || pid == 0 {
		return fmt.Sprintf("pid %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSuffix(string(b), "\n"), pid)
}

// pidfd is a descriptor that stands for a process.
type pidfd struct{ holder, fd, pid, flags int }

// judgePidfds checks that they stand for processes of the group, or for none any more.
func (l *look) judgePidfds() {
	for _, d := range l.processFD {
		p := l.of(d.holder)
		if p == nil {
			continue
		}
		thing := "pidfd of " + strconv.Itoa(d.pid)
		if d.flags&unix.O_EXCL != 0 { // PIDFD_THREAD
			l.problem(p, thing, "has a pidfd of a thread"+at(d.fd), "not possible to restore; close it")
		} else if d.pid > 0 && l.of(d.pid) == nil && l.lives(d.pid, d.pid) {
			l.problem(p, thing, "has a pidfd of "+l.name(d.pid)+", outside of the group"+at(d.fd), "close it")
		}
	}
}
