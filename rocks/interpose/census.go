package interpose

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// census says where the sockets of some processes are. It is taken while they are
// stopped: descriptors are looked up once, not once for each socket.
type census struct {
	places map[uint64]Place // by cookie
}

// takeCensus looks through the descriptors of the given processes. A process that has ended has none.
// Threads with descriptor tables of their own are not looked at.
func takeCensus(pids []int) *census {
	c := &census{places: map[uint64]Place{}}
	seen := map[string]bool{}
	for _, pid := range pids {
		c.lookInto(pid, seen)
	}
	return c
}

func (c *census) lookInto(pid int, seen map[string]bool) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	pidfd := -1
	defer func() {
		if pidfd >= 0 {
			unix.Close(pidfd)
		}
	}()
	for _, e := range entries {
		// The name holds the inode, which tells of the same socket in another process.
		name, err := os.Readlink(dir + "/" + e.Name())
		if err != nil || !strings.HasPrefix(name, "socket:") || seen[name] {
			continue
		}
		seen[name] = true
		if pidfd < 0 {
			if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
				return
			}
		}
		fd, _ := strconv.Atoi(e.Name())
		dup, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		if ck, err := cookie(dup); err == nil {
			c.places[ck] = Place{PID: pid, FD: fd}
		}
		unix.Close(dup)
	}
}
