package survey

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inode identifies a file.
type inode struct{ device, number uint64 }

// openFile tells files apart, and the ways in which one is open. What a process has inherited
// is the same.
type openFile struct {
	inode
	path  string
	pos   int64
	flags int
	fd    bool
}

// file adds an open or mapped file. PID, Path, Size, Mode and Kind of f are filled in, the latter
// if it is empty.
func (l *look) file(p *Process, path string, st *unix.Stat_t, f File) {
	id := inode{st.Dev, st.Ino}
	f.PID, f.Size, f.Mode = p.PID, st.Size, st.Mode
	f.Path = path
	switch {
	case memory(path):
		l.blob(id, st)
		return
	case !l.judgePath(p, path):
		return
	case deleted(path, st):
		f.Path, f.Kind = strings.TrimSuffix(path, " (deleted)"), KindDeleted
		f.Size = st.Blocks * 512
		if st.Nlink == 0 {
			l.blob(id, st)
		}
		if st.Nlink == 0 && f.Size > l.GhostLimit {
			l.problem(p, "deleted "+path, fmt.Sprintf("has the deleted file %s open or mapped, with %d MiB", f.Path, f.Size>>20),
				fmt.Sprintf("a checkpoint holds at most %d MiB of it; close the file or give it a name", l.GhostLimit>>20))
		}
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		f.Kind = KindDirectory
	case f.Kind != "":
	case f.Flags&unix.O_ACCMODE == unix.O_WRONLY && f.Flags&unix.O_APPEND != 0:
		f.Kind = KindAppend
	default:
		f.Kind = KindRegular
	}
	key := openFile{id, path, f.Pos, f.Flags, f.FD >= 0}
	if !l.files[key] {
		l.files[key] = true
		l.Files = append(l.Files, f)
	}
}

// judgePath says whether a file is one to be kept in mind, and reports those that CRIU cannot open again.
func (l *look) judgePath(p *Process, path string) bool {
	if strings.HasPrefix(path, "(unreachable)") {
		l.problem(p, "path "+path, "has a file open that cannot be reached from here, "+path, "close it")
		return false
	}
	if rest, ok := strings.CutPrefix(path, "/proc/"); ok {
		number, _, _ := strings.Cut(rest, "/")
		pid, err := strconv.Atoi(number)
		if err != nil {
			return true
		}
		if l.of(pid) == nil {
			l.warning(p, "path "+path, "has "+path+" open, of a process outside of the group", "it must be there when the group is restored")
		}
		return false // those of the group are only there when it has been restored
	}
	if strings.HasPrefix(path, "/dev/shm/") && !strings.HasSuffix(path, " (deleted)") {
		l.warning(p, "path "+path, "uses the shared memory "+path, "it is not part of the checkpoint and must be there when the group is restored")
	}
	return true
}

// deleted says whether a path is no more that of its file.
func deleted(path string, st *unix.Stat_t) bool {
	if st.Nlink == 0 {
		return true
	}
	var is unix.Stat_t // it may also be the name of a file
	return strings.HasSuffix(path, " (deleted)") && (unix.Lstat(path, &is) != nil || is.Ino != st.Ino)
}

// memory says whether a path is one that the kernel gives to shared memory without a name, which is saved with
// the memory of the processes.
func memory(path string) bool {
	return strings.HasPrefix(path, "/memfd:") || path == "/dev/zero (deleted)" || path == "/anon_hugepage (deleted)"
}

// blob counts what is saved once, however many processes have it.
func (l *look) blob(id inode, st *unix.Stat_t) {
	if !l.blobs[id] {
		l.blobs[id] = true
		l.Memory += st.Blocks * 512
	}
}

// exe is for the program that a process runs.
func (l *look) exe(p *Process) {
	var st unix.Stat_t
	name := "/proc/" + strconv.Itoa(p.PID) + "/exe"
	path := l.proc.link(strconv.Itoa(p.PID), "exe")
	if path == "" || unix.Stat(name, &st) != nil {
		return
	}
	p.Exe = File{Path: path, Size: st.Size, Mode: st.Mode, Kind: KindExe, PID: p.PID, FD: -1, BuildID: l.build(name, &st)}
	l.file(p, path, &st, p.Exe)
}

// folders is for the working directory and the root of a process.
func (l *look) folders(p *Process) {
	for name, path := range map[string]string{"cwd": p.Cwd, "root": p.Root} {
		var st unix.Stat_t
		link := "/proc/" + strconv.Itoa(p.PID) + "/" + name
		if path != "" && unix.Stat(link, &st) == nil {
			l.file(p, path, &st, File{FD: -1})
			l.judgeMount(p, name, path, " ("+name+")", mountOf(link))
		}
	}
}
