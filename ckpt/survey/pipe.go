package survey

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// pipe is a pipe or FIFO that the group has open.
type pipe struct {
	fifo             bool
	readers, writers []holder
}

// pipe adds a descriptor of one. The link is "pipe:[inode]", which is also CRIU's name, or a path.
func (l *look) pipe(link string, h holder, flags int) {
	if flags&unix.O_PATH != 0 {
		return
	}
	p := l.pipes[link]
	if p == nil {
		p = &pipe{fifo: !strings.HasPrefix(link, "pipe:[")}
		l.pipes[link] = p
	}
	if mode := flags & unix.O_ACCMODE; mode != unix.O_WRONLY {
		p.readers = append(p.readers, h)
	}
	if mode := flags & unix.O_ACCMODE; mode != unix.O_RDONLY {
		p.writers = append(p.writers, h)
	}
}

// judgePipes finds the pipes that the group has one end of, and returns those that nobody will replace.
func (l *look) judgePipes() []end {
	var ends []end
	for _, key := range slices.Sorted(maps.Keys(l.pipes)) {
		pipe := l.pipes[key]
		h, write := pipe.readers, false
		if len(h) == 0 {
			h, write = pipe.writers, true
		} else if len(pipe.writers) > 0 {
			continue
		}
		h0, standard := l.standard(h)
		p := l.of(h0.pid)
		if p == nil || !l.otherEnd(h0, write) {
			continue
		}
		l.Outside = append(l.Outside, Outside{Key: key, PID: h0.pid, FD: h0.fd, Write: write, Fifo: pipe.fifo})
		switch {
		case l.Replaces != nil && l.Replaces(key):
		case pipe.fifo:
			l.warning(p, key, "has the named pipe "+key+" open, whose other end is outside of the group"+at(h0.fd),
				"who has it there must open it again when the group is restored")
		case !standard:
			ends = append(ends, end{p: p, link: key, thing: key, what: "has a pipe open whose other end is outside of the group",
				at: at(h0.fd), remedy: "only standard input, output and error of the command can be replaced; close it, or use a file"})
		}
	}
	return ends
}

// standard returns the holder to show: one of Root's standard descriptors if there is one.
func (l *look) standard(holders []holder) (h holder, is bool) {
	for _, h := range holders {
		if h.pid == l.Root && h.fd <= 2 {
			return h, true
		}
	}
	return holders[0], false
}

// otherEnd says whether a pipe of which the group has only one end has another: not if it has been closed.
func (l *look) otherEnd(h holder, write bool) bool {
	fd, err := l.duplicate(h)
	if err != nil {
		// It is closed in the meantime, or we may not look.
		return errors.Is(err, unix.EPERM)
	}
	defer unix.Close(fd)
	poll, lone := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int16(unix.POLLHUP)
	if write {
		poll[0].Events, lone = unix.POLLOUT, unix.POLLERR
	}
	_, _ = unix.Poll(poll, 0)
	return poll[0].Revents&lone == 0
}
