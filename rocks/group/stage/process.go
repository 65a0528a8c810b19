package stage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type Process struct {
	State                  byte // 'T' is stopped
	Parent, Group, Session int
}

// ReadProcess looks at a process. Its error is that of os.ReadFile if there is no such process.
func ReadProcess(pid int) (Process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	var p Process
	// The name comes before it, in parentheses, and may contain anything.
	rest := string(b[bytes.LastIndexByte(b, ')')+1:])
	if _, err := fmt.Sscanf(rest, " %c %d %d %d", &p.State, &p.Parent, &p.Group, &p.Session); err != nil {
		return Process{}, fmt.Errorf("parse /proc/%d/stat: %w", pid, err)
	}
	return p, nil
}

// Processes returns all processes that can be seen, by their pids. It is a picture drawn one
// process after the other.
func Processes() map[int]Process {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	all := make(map[int]Process, len(stats))
	for _, stat := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			continue
		}
		if p, err := ReadProcess(pid); err == nil {
			all[pid] = p
		}
	}
	return all
}

// Orphaned says whether a process group is orphaned: no member has a parent in another group
// of the same session (setpgid(2)). Members for which skip is true do not count.
func Orphaned(group int, all map[int]Process, skip func(Process) bool) bool {
	for _, p := range all {
		if p.Group != group || skip(p) {
			continue
		}
		parent, ok := all[p.Parent]
		if ok && parent.Session == p.Session && parent.Group != group {
			return false
		}
	}
	return true
}
