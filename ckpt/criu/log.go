package criu

import (
	"bufio"
	"io"
	"regexp"
	"strings"
)

// logLine matches a line of CRIU's log: "(00.012345)    123: Error (criu/files.c:12): message",
// where the pid is that of a task in the making, and time and pid may be lacking.
var logLine = regexp.MustCompile(`^(?:\(\d+\.\d+\))?\s*(?:(?:pie: )?(\d+): )?(?:(Error|Warn) +\([^()]*:\d+\): ?)?(.*)$`)

// harmless matches errors that do not stop CRIU. Without CAP_SYS_RESOURCE the
// first is in every log; the others follow from something that is explained.
var harmless = regexp.MustCompile(`rlimit: Can't setup RLIMIT_NOFILE|^(Dumping|Restoring) FAILED|This is not fatal|` +
	`failed to suspend seccomp, restore will probably fail|^Unable to detach from \d+: No such process`)

// telling matches warnings that are the only word of a failure.
var telling = regexp.MustCompile(`^Unable to interrupt task: \d+ \(Operation not permitted\)`)

// restoredSocket matches what CRIU logs before it binds a socket.
var restoredSocket = regexp.MustCompile(`inet:\s+Restore: .*\bport\s+(\d+)\s.*src_addr (\S+)`)

// finding is what a log says.
type finding struct {
	cause, remedy string
	lines         []string
}

// report is one error of a log.
type report struct {
	line    string // all of it
	message string
	socket  string // address and port that its task was about to restore, if any
}

// errorsOf returns the errors of a log in the order of the log. It reads to the
// end; a line that is longer than any of CRIU's is cut.
func errorsOf(log io.Reader) []report {
	var all []report
	sockets := make(map[string]string) // by pid
	for in := bufio.NewReader(log); ; {
		line, more, err := in.ReadLine()
		if err != nil {
			return all
		}
		s := strings.TrimRight(string(line), " ")
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
		m := logLine.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		pid, isError, message := m[1], m[2] == "Error" || m[2] == "Warn" && telling.MatchString(m[3]), m[3]
		if r := restoredSocket.FindStringSubmatch(message); r != nil && !isError {
			sockets[pid] = r[2] + " port " + r[1]
		}
		if isError && !harmless.MatchString(message) {
			all = append(all, report{line: s, message: message, socket: sockets[pid]})
		}
	}
}

// explain finds the cause in a log. Without an error in it nothing is found. With
// errors of which the table knows none, the first one is the cause and there is
// no remedy.
func explain(log io.Reader) finding {
	all := errorsOf(log)
	if len(all) == 0 {
		return finding{}
	}
	r, found := all[0], finding{cause: all[0].message}
	if i, rule := match(all); rule != nil {
		r = all[i]
		found.cause, found.remedy = rule.apply(r)
	}
	found.lines = []string{r.line}
	for _, last := range all[max(0, len(all)-3):] {
		if last.line != r.line {
			found.lines = append(found.lines, last.line)
		}
	}
	return found
}
