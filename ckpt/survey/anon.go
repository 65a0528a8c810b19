package survey

import (
	"strconv"
	"strings"
)

// supported are the anonymous inodes that CRIU 4.2 saves (dump_one_file in its files.c). For a bpf-map it must
// have been built with libbpf, as the distributions do.
var supported = map[string]bool{
	"eventfd": true, "eventpoll": true, "inotify": true, "fanotify": true,
	"signalfd": true, "timerfd": true, "pidfd": true, "bpf-map": true,
}

// remedies are for anonymous inodes that it does not save, the first that fits.
var remedies = []struct{ begin, remedy string }{
	{"io_uring", "tell the program not to use io_uring (UV_USE_IO_URING=0 for Node.js), or start it under rock, where it finds none"},
	{"perf_event", "end the profiling"},
	{"kvm", "virtual machines cannot be checkpointed"},
	{"userfaultfd", "switch off what handles page faults in the program"},
	{"bpf", "close the BPF programs and links"},
	{"seccomp notify", "it supervises others with seccomp: start these outside of the group"},
	{"landlock", "switch off its sandbox"},
	{"", "not possible to restore; close it"},
}

// anonymous is for a descriptor of an anonymous inode, "anon_inode:[eventfd]".
func (l *look) anonymous(p *Process, fd int, link string) {
	kind := strings.Trim(strings.TrimPrefix(link, "anon_inode:"), "[]")
	if kind == "pidfd" {
		info := l.descriptorInfo(p.PID, fd)
		text, err := l.proc.read(strconv.Itoa(p.PID), "fdinfo/"+strconv.Itoa(fd))
		if err == nil {
			l.processFD = append(l.processFD, pidfd{p.PID, fd, int(number(field(text, "Pid"))), info.flags})
		}
	}
	if !supported[kind] {
		l.unsupported(p, kind, at(fd))
	}
}

// unsupported reports an anonymous inode that is open or mapped.
func (l *look) unsupported(p *Process, kind, where string) {
	for _, r := range remedies {
		if strings.HasPrefix(kind, r.begin) {
			l.problem(p, p.thing(kind), "has "+kind+" open"+where, r.remedy)
			return
		}
	}
}
