package survey

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder is a descriptor of a process.
type holder struct{ pid, fd int }

// descriptors looks at all that a process has open.
func (l *look) descriptors(p *Process) {
	fds, err := l.proc.list(strconv.Itoa(p.PID), "fd")
	if err != nil {
		if errors.Is(err, unix.EACCES) {
			l.problem(p, p.thing("sight"), "cannot be looked at: "+err.Error(), "run as root")
		}
		return
	}
	slices.Sort(fds)
	for _, fd := range fds {
		l.descriptor(p, fd)
	}
}

// descriptor looks at one. It may have been closed, or be another by now; each step sees what is there.
func (l *look) descriptor(p *Process, fd int) {
	dir, name := strconv.Itoa(p.PID), "fd/"+strconv.Itoa(fd)
	link := l.proc.link(dir, name)
	kind, _, _ := strings.Cut(link, ":")
	switch {
	case link == "":
		return
	case kind == "socket":
		if n, ok := inodeIn(link, kind); ok {
			l.socket(n, holder{p.PID, fd})
		}
		return
	case kind == "anon_inode":
		l.anonymous(p, fd, link)
		return
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+dir+"/"+name, &st); err != nil {
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		info := l.descriptorInfo(p.PID, fd)
		l.pipe(link, holder{p.PID, fd}, info.flags)
		if link[0] == '/' {
			l.judgeMount(p, "", link, at(fd), info.mount)
		}
	case unix.S_IFCHR:
		l.character(p, fd, link, st.Rdev)
	case unix.S_IFBLK:
		l.problem(p, "device "+link, "has the block device "+link+" open"+at(fd), "not possible to restore; close it")
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		switch {
		case link[0] == '/':
			info := l.descriptorInfo(p.PID, fd)
			l.file(p, link, &st, File{FD: fd, Flags: info.flags, Pos: info.pos})
			if !memory(link) {
				l.judgeMount(p, "", link, at(fd), info.mount)
			}
		case kind == "pidfd":
			l.anonymous(p, fd, "anon_inode:[pidfd]")
		default:
			l.namespaceFile(p, fd, link)
		}
	case unix.S_IFSOCK: // by its name, with O_PATH
		l.problem(p, "path of socket "+link, "has the path of the socket "+link+" open"+at(fd), "not possible to restore; close it")
	default:
		l.anonymous(p, fd, link)
	}
}

// namespaceFile is for an open file of /proc/PID/ns, "net:[123]".
func (l *look) namespaceFile(p *Process, fd int, link string) {
	kind, _, _ := strings.Cut(link, ":")
	n, ok := inodeIn(link, kind)
	for i := range l.Processes {
		if is, known := l.Processes[i].Namespaces[kind]; ok && known && is == n {
			return
		}
	}
	l.problem(p, "file "+link, "has "+link+" open"+at(fd), "not possible to restore; close it")
}

// info is what /proc/PID/fdinfo says of any descriptor.
type info struct {
	flags int
	pos   int64
	mount int
}

func (l *look) descriptorInfo(pid, fd int) info {
	text, err := l.proc.read(strconv.Itoa(pid), "fdinfo/"+strconv.Itoa(fd))
	if err != nil {
		return info{}
	}
	flags, _ := strconv.ParseInt(field(text, "flags"), 8, 64)
	return info{flags: int(flags) &^ unix.O_CLOEXEC, pos: number(field(text, "pos")), mount: int(number(field(text, "mnt_id")))}
}

// duplicate makes a descriptor of another process our own: the caller closes it. It is the only way to ask
// a socket or pipe for its state whatever it is. Needs PTRACE_MODE_ATTACH (ptrace(2)).
func (l *look) duplicate(h holder) (int, error) {
	process, ok := l.handles[h.pid]
	if !ok {
		var err error
		if process, err = unix.PidfdOpen(h.pid, 0); err != nil {
			return -1, err
		}
		l.handles[h.pid] = process
	}
	return unix.PidfdGetfd(process, h.fd, 0)
}

// release closes what duplicate needed.
func (l *look) release() {
	for _, fd := range l.handles {
		_ = unix.Close(fd)
	}
}
