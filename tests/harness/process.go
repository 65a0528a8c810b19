package harness

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rock/tests/lab"
)

// Process is a process of a host, with the process ids that it and its parent have on the machine.
type Process struct {
	Pid, Parent int
	Name        string // as ps has it
	Args        []string
}

// Processes are those that are on a host now, without zombies.
func Processes(h *lab.Host) []Process {
	var all []Process
	for _, pid := range h.Pids() {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		args, argsErr := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if err != nil || argsErr != nil || end < 0 {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[end+1:]))
		if fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		p := Process{Name: string(stat[begin+1 : end]), Args: strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")}
		p.Pid, _ = strconv.Atoi(pid)
		p.Parent, _ = strconv.Atoi(fields[1])
		all = append(all, p)
	}
	return all
}

// Named are the processes of a host with a name, and a word among their arguments if that is not empty.
func Named(h *lab.Host, name, word string) []Process {
	return slices.DeleteFunc(Processes(h), func(p Process) bool {
		return p.Name != name || word != "" && !slices.Contains(p.Args, word)
	})
}

// Kill kills it.
func (p Process) Kill(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(p.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("kill %s: %v", p.Name, err)
	}
}

// End kills it and waits until it does nothing more.
func (p Process) End(t testing.TB) {
	t.Helper()
	p.Kill(t)
	Until(t, "the end of "+p.Name, func() bool {
		s := state(p.Pid)
		return s == 0 || s == 'Z' || s == 'X'
	})
}

// Switches is how often the threads of a process have run and stopped: it does not change while they stand still.
func (p Process) Switches() int {
	files, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.Pid), "task", "*", "status"))
	sum := 0
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for line := range strings.Lines(string(text)) {
			if name, n, _ := strings.Cut(line, ":"); strings.HasSuffix(name, "ctxt_switches") {
				k, _ := strconv.Atoi(strings.TrimSpace(n))
				sum += k
			}
		}
	}
	return sum
}

// ClockTicks is how many of the ticks in /proc/PID/stat and /proc/stat a second has (proc(5); USER_HZ, on all
// architectures that we have).
const ClockTicks = 100

// CPU is how much processor time a process has used; 0 if it has ended.
func (p Process) CPU() time.Duration {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid), "stat"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ClockTicks
}

// Memory is how many bytes of memory a process has (VmRSS); 0 if it has ended.
func (p Process) Memory() int {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid), "status"))
	for line := range strings.Lines(string(text)) {
		if n, found := strings.CutPrefix(line, "VmRSS:"); found {
			k, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(n), "kB")))
			return k << 10
		}
	}
	return 0
}

// RuntimeFiles are the files in the runtime directory of a host, where all temporary ones are too, that match a pattern.
func RuntimeFiles(h *lab.Host, patterns ...string) []string {
	var all []string
	for _, p := range patterns {
		files, _ := filepath.Glob(filepath.Join(RuntimeDir(h, ""), p))
		all = append(all, files...)
	}
	return all
}
