package supervise

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// buryOrphans waits for those children that have ended, the command excepted, and says whether
// any process of the group is left.
//
// Children that this process starts for itself stay in its process group; those are left to
// who waits for them. No process of the group is in it, so all others are orphans that we
// adopted.
func buryOrphans(command int) (left bool) {
	own := unix.Getpgrp()
	for {
		ours := false
		for _, pid := range children() {
			if pid == command {
				left = true
				continue
			}
			if group, err := unix.Getpgid(pid); err == nil && group == own {
				ours = true
				continue
			}
			left = !bury(pid) || left
		}
		// The lists may miss one that just changes hands between our threads. To have no child at
		// all is certain.
		if left || ours || childless() {
			return left
		}
	}
}

// buryTime bounds the wait for processes that are being killed.
const buryTime = 2 * time.Second

// buryRest waits for what a start that failed has left, killed but not yet waited for: as zombies of somebody who does not
// care, such processes would keep their pids from the next attempt.
func buryRest() {
	for end := time.Now().Add(buryTime); buryOrphans(0) && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
}

// bury waits for a child if it has ended, and says whether it is gone.
func bury(pid int) bool {
	for {
		got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		if err != unix.EINTR {
			return got != 0 || err != nil
		}
	}
}

// childless says that this process has no child.
func childless() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == unix.ECHILD
}

// children returns the pids of all children. The kernel lists them per thread; without such lists
// (CONFIG_PROC_CHILDREN) all processes are asked for their parent.
func children() []int {
	var pids []int
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended; its children have another now
		}
		for _, field := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if lists == nil {
		for pid, p := range stage.Processes() {
			if p.Parent == os.Getpid() {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
