package survey

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// end is one end of something whose other end is outside of the group and that nobody will replace: a
// problem that still lacks the name of who is there.
type end struct {
	p          *Process
	thing      string
	link       string // what the other side has in its /proc/PID/fd
	what, at   string
	remedy     string
	onlyWarned bool
}

// judgeEnds reports them. Only if there are any, all descriptors of all processes are looked at for
// who has the other ends.
func (l *look) judgeEnds(ends []end) {
	if len(ends) == 0 {
		return
	}
	names := map[string]string{}
	for _, e := range ends {
		if e.link != "" {
			names[e.link] = ""
		}
	}
	all, _ := l.proc.list("", "")
	slices.Sort(all)
	for _, pid := range all {
		if l.of(pid) != nil || pid == os.Getpid() {
			continue
		}
		fds, _ := l.proc.list(strconv.Itoa(pid), "fd")
		for _, fd := range fds {
			link := l.proc.link(strconv.Itoa(pid), "fd/"+strconv.Itoa(fd))
			if name, wanted := names[link]; wanted && !strings.Contains(name, l.name(pid)) && strings.Count(name, ",") < 2 {
				names[link] = strings.TrimPrefix(name+", "+l.name(pid), ", ")
			}
		}
	}
	for _, e := range ends {
		what := e.what
		if names[e.link] != "" {
			what += ", " + names[e.link]
		}
		if e.onlyWarned {
			l.warning(e.p, e.thing, what+e.at, e.remedy)
		} else {
			l.problem(e.p, e.thing, what+e.at, e.remedy)
		}
	}
}
