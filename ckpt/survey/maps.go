package survey

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maps looks at the mappings of a process.
func (l *look) maps(p *Process) {
	text, err := l.proc.read(strconv.Itoa(p.PID), "maps")
	if err != nil {
		return
	}
	text = bytes.Clone(text)
	for line := range bytes.Lines(text) {
		// Six columns: addresses permissions offset device inode path.
		rest := line
		var columns [5][]byte
		for i := range columns {
			columns[i], rest, _ = bytes.Cut(rest, []byte{' '})
		}
		path := bytes.TrimLeft(bytes.TrimSuffix(rest, []byte{'\n'}), " ")
		if len(path) == 0 || path[0] == '[' {
			continue // the heap, a stack, anonymous memory
		}
		// The same library has several mappings in each process.
		key := string(columns[3]) + " " + string(columns[4]) + " " + string(path)
		if !l.mapped[key] {
			l.mapped[key] = true
			l.mapping(p, string(columns[0]), string(path))
		}
	}
}

// mapping is for what is mapped at an address range "start-end".
func (l *look) mapping(p *Process, addresses, path string) {
	path = strings.ReplaceAll(path, `\012`, "\n")
	kind, _, _ := strings.Cut(path, ":")
	switch {
	case kind == "anon_inode":
		l.unsupported(p, strings.Trim(strings.TrimPrefix(path, "anon_inode:"), "[]"), " (mapped)")
		return
	case kind == "socket", strings.HasPrefix(path, "/[aio]"):
		return // that of a packet socket, or of Linux AIO
	case strings.HasPrefix(path, "/SYSV"):
		l.problem(p, "mapping "+path, "uses System V shared memory ("+strings.TrimSuffix(path, " (deleted)")[1:]+")",
			"not possible to restore without an IPC namespace of its own; use POSIX shared memory or a file")
		return
	case strings.HasPrefix(path, "/secretmem"):
		l.problem(p, "mapping "+path, "uses secret memory (memfd_secret)", "not possible to read it; switch it off in the program")
		return
	}
	var st unix.Stat_t
	name := "/proc/" + strconv.Itoa(p.PID) + "/map_files/" + mapFile(addresses)
	if err := unix.Stat(name, &st); err != nil {
		// Not without CAP_CHECKPOINT_RESTORE. Or it has just been unmapped, and will be seen as it was
		// before.
		name = path
		if unix.Stat(name, &st) != nil {
			return
		}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		id, elf := "", false
		if st.Size >= elfHeader && !memory(path) {
			id, elf = readBuildID(name)
		}
		f := File{FD: -1, BuildID: id}
		if elf {
			f.Kind = KindLib
		}
		l.file(p, path, &st, f)
	case unix.S_IFCHR:
		if st.Rdev != unix.Mkdev(majorMemory, 5) { // zero
			l.problem(p, "mapping "+path, "has the device "+path+" mapped", "not possible to restore; switch off its use in the program")
		}
	case unix.S_IFBLK:
		l.problem(p, "mapping "+path, "has the device "+path+" mapped", "not possible to restore; switch off its use in the program")
	}
}

// mapFile turns addresses of a line of maps into a name in map_files, where they have no leading zeros.
func mapFile(addresses string) string {
	start, end, _ := strings.Cut(addresses, "-")
	return strings.TrimLeft(start, "0") + "-" + strings.TrimLeft(end, "0")
}
