package stage

import (
	"fmt"
	"iter"
	"os"
	"strconv"
	"syscall"
)

// Descriptors yields the open descriptors of this process, in no order.
func Descriptors() iter.Seq[int] {
	return func(yield func(int) bool) {
		dir, err := os.Open("/proc/self/fd")
		if err != nil {
			return
		}
		names, _ := dir.Readdirnames(-1)
		_ = dir.Close()
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && !yield(fd) {
				return
			}
		}
	}
}

// DescriptorOf returns the descriptor of something that has one, which stays its own. Unlike os.File's Fd it does not make it block.
func DescriptorOf(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("find descriptor: %w", err)
	}
	fd := -1
	if err := raw.Control(func(s uintptr) { fd = int(s) }); err != nil {
		return -1, fmt.Errorf("find descriptor: %w", err)
	}
	return fd, nil
}
