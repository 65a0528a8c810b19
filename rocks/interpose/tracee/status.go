package tracee

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// status is what is used of /proc/tid/status (proc_pid_status(5)).
type status struct {
	state   byte // R, S, D, T, t, Z, X, I
	tgid    int
	threads int
	// Signal sets; signal n is bit n-1.
	pending, shared uint64 // for this thread, for the whole process
	blocked         uint64
	ignored, caught uint64
}

// alive says that the task is not on its way out.
func (s status) alive() bool { return s.state != 'Z' && s.state != 'X' }

// readStatus reads the status of a task. ESRCH if it is gone.
func readStatus(tid int) (status, error) {
	var s status
	b, err := readProc("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return s, fmt.Errorf("read status of task %d: %w", tid, err)
	}
	for line := range bytes.Lines(b) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		v := string(bytes.TrimSpace(value))
		switch string(name) {
		case "State":
			if v != "" {
				s.state = v[0]
			}
		case "Tgid":
			s.tgid, _ = strconv.Atoi(v)
		case "Threads":
			s.threads, _ = strconv.Atoi(v)
		case "SigPnd":
			s.pending, _ = strconv.ParseUint(v, 16, 64)
		case "ShdPnd":
			s.shared, _ = strconv.ParseUint(v, 16, 64)
		case "SigBlk":
			s.blocked, _ = strconv.ParseUint(v, 16, 64)
		case "SigIgn":
			s.ignored, _ = strconv.ParseUint(v, 16, 64)
		case "SigCgt":
			s.caught, _ = strconv.ParseUint(v, 16, 64)
		}
	}
	return s, nil
}

// readProc reads a small file of /proc whole. A file that vanished, before or
// after it was opened, is ESRCH.
func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, unix.ESRCH
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	for n := 0; ; {
		m, err := unix.Read(fd, b[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case m == 0:
			return b[:n], nil
		}
		if n += max(m, 0); n == len(b) {
			b = append(b, make([]byte, len(b))...)
		}
	}
}
