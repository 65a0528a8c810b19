package freeze

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Task is a thread of a group, as /proc tells.
type Task struct {
	PID, TID int
	Name     string
	State    string // as "D"
	Wait     string // the kernel function where it waits, empty if that is not known
	Syscall  string // its number, or "running"; empty if that is not known
}

// String describes the task for a message.
func (t Task) String() string {
	s := fmt.Sprintf("process %d", t.PID)
	if t.TID != t.PID {
		s = fmt.Sprintf("thread %d of process %d", t.TID, t.PID)
	}
	s += fmt.Sprintf(" (%s) in state %s", t.Name, t.State)
	if t.Wait != "" {
		s += " at " + t.Wait
	}
	if t.Syscall != "" && t.Syscall != "running" {
		s += ", system call " + t.Syscall
	}
	return s
}

// vforks says that the task waits for the child of a vfork, which does not keep it from freezing.
func (t Task) vforks() bool { return t.Wait == "kernel_clone" || t.Wait == "_do_fork" }

// tasks returns the tasks of the group, without those that end meanwhile.
func (g *Group) tasks() []Task {
	tids, err := g.members(g.control.threads())
	if err != nil {
		return nil // only a message becomes poorer
	}
	var tasks []Task
	for _, tid := range tids {
		if t, ok := lookAt(tid); ok {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func lookAt(tid int) (Task, bool) {
	dir := "/proc/" + strconv.Itoa(tid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Task{}, false
	}
	t := Task{PID: tid, TID: tid}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			t.Name = value
		case "State":
			t.State, _, _ = strings.Cut(value, " ")
		case "Tgid":
			if pid, err := strconv.Atoi(value); err == nil {
				t.PID = pid
			}
		}
	}
	if wait, err := os.ReadFile(dir + "/wchan"); err == nil && string(wait) != "0" {
		t.Wait = string(wait)
	}
	if call, err := os.ReadFile(dir + "/syscall"); err == nil {
		t.Syscall, _, _ = strings.Cut(strings.TrimSpace(string(call)), " ")
	}
	return t, t.State != "Z" && t.State != "X"
}

// unfrozen finds the tasks that would not freeze, from how they looked before the group was thawed
// and after. In version 2 those are not frozen that run or are in an uninterruptible wait. In version 1
// frozen ones are in state D as well, but no longer when they are thawed. The thaw of version 2 wakes the
// stuck ones too for a moment, so there the second look tells nothing.
func unfrozen(version int, before, after []Task) []Task {
	var found []Task
	for _, t := range before {
		still := slices.ContainsFunc(after, func(a Task) bool {
			return a.TID == t.TID && a.State == "D" && a.Wait == t.Wait
		})
		switch {
		case t.State == "R", t.State == "S" && version == 1, t.State == "D" && (still || version == 2):
			found = append(found, t)
		}
	}
	if others := slices.DeleteFunc(slices.Clone(found), Task.vforks); len(others) > 0 {
		return others
	}
	return found
}
