package survey

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// imageSlack is added to each process: its part of the images beside memory, and what the kernel's
// counters may be behind.
const imageSlack = 1 << 20

// process looks at one process and its threads. The error is ENOENT or ESRCH if it has gone.
func (l *look) process(pid int) (Process, error) {
	p := Process{PID: pid}
	dir := strconv.Itoa(pid)
	if err := l.stat(&p); err != nil {
		return p, err
	}
	status, err := l.proc.read(dir, "status")
	if err != nil {
		return p, err
	}
	p.Memory = imageSlack
	for _, part := range []string{"RssAnon", "VmSwap", "HugetlbPages"} {
		p.Memory += number(field(status, part)) << 10
	}
	if p.State != 'Z' {
		p.Namespaces = l.proc.namespaces(dir)
		if own, is := l.own["pid"], p.Namespaces["pid"]; own != is && pid == l.Root && lastNumber(field(status, "NSpid")) != 1 {
			l.problem(&p, "pid namespace", "is in a pid namespace of which it is not the first process",
				"run the command in the pid namespace of rock")
		}
		p.Cwd, p.Root = l.proc.link(dir, "cwd"), l.proc.link(dir, "root")
	}
	if p.Threads, err = l.proc.list(dir, "task"); err != nil {
		return p, err
	}
	for _, tid := range p.Threads {
		if status, err := l.proc.read(dir, "task/"+strconv.Itoa(tid)+"/status"); err == nil {
			l.thread(&p, tid, status)
		}
	}
	return p, nil
}

// lastNumber is for a value of field with several.
func lastNumber(value string) int64 { return number(value[strings.LastIndexAny(value, " \t")+1:]) }

// thread takes over what concerns a single thread.
func (l *look) thread(p *Process, tid int, status []byte) {
	if tracer := int(number(field(status, "TracerPid"))); tracer != 0 {
		p.Tracer = tracer
	}
	p.Filters = max(p.Filters, int(number(field(status, "Seccomp_filters"))))
	if strings.HasPrefix(field(status, "State"), "D") && !l.Frozen {
		l.waiting = append(l.waiting, waiter{p.PID, tid})
	}
}

// stat fills in what /proc/PID/stat says (proc_pid_stat(5)).
func (l *look) stat(p *Process) error {
	b, err := l.proc.read(strconv.Itoa(p.PID), "stat")
	if err != nil {
		return err
	}
	// The name may contain anything, so look for its end from behind.
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return fmt.Errorf("parse /proc/%d/stat: no name", p.PID)
	}
	p.Name = string(b[open+1 : end])
	rest := strings.Fields(string(b[end+1:]))
	if len(rest) < 5 {
		return fmt.Errorf("parse /proc/%d/stat: %d fields", p.PID, len(rest))
	}
	p.State = rest[0][0]
	var n [4]int
	for i := range n {
		if n[i], err = strconv.Atoi(rest[1+i]); err != nil {
			return fmt.Errorf("parse /proc/%d/stat: %w", p.PID, err)
		}
	}
	p.Parent, p.Group, p.Session = n[0], n[1], n[2]
	if tty := uint32(n[3]); tty != 0 { // bits as in the kernel's new_encode_dev
		p.Terminal = unix.Mkdev(tty>>8&0xfff, tty&0xff|tty>>12&0xfff00)
	}
	return nil
}

// gone says whether an error means that a process is no more.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }
