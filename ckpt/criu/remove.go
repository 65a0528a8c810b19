package criu

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// remove kills what a failed restore has left of the tree with this root, and
// reaps the root. Usually CRIU has killed all of it, but CRIU can be killed. It
// does nothing to a process that is not a child of this one: the number could
// have gone to a stranger by now, while nobody else gets that of our child.
func remove(root int) {
	if root <= 0 || !ourChild(root) {
		return
	}
	// Nothing of the tree has run yet, so nothing is born while this goes through it.
	for _, pid := range descendants(root) {
		unix.Kill(pid, unix.SIGKILL)
	}
	unix.Kill(root, unix.SIGKILL)
	ignoringEINTR(func() error {
		_, err := unix.Wait4(root, nil, 0, nil)
		return err
	})
}

func ourChild(pid int) bool {
	return ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	}) == nil
}

func descendants(pid int) []int {
	var all []int
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}
