package survey

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// procfs reads small files of /proc with few system calls.
type procfs struct{ buf []byte }

// read returns what is in a file of a process, until the next call.
func (f *procfs) read(pid, name string) ([]byte, error) {
	fd, err := unix.Open("/proc/"+pid+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if f.buf == nil {
		f.buf = make([]byte, 16<<10)
	}
	n := 0
	for {
		if n == len(f.buf) {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
		m, err := unix.Read(fd, f.buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m == 0 {
			return f.buf[:n], nil
		}
		n += m
	}
}

// list returns the numbers in a folder of a process.
func (f *procfs) list(pid, name string) ([]int, error) {
	d, err := os.Open("/proc/" + pid + "/" + name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// link returns what a link of a process says; empty if it has gone.
func (f *procfs) link(pid, name string) string {
	var b [unix.PathMax]byte
	n, err := unix.Readlink("/proc/"+pid+"/"+name, b[:])
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// namespaces returns the namespaces of a process by name.
func (f *procfs) namespaces(pid string) map[string]uint64 {
	ids := map[string]uint64{}
	for _, name := range []string{"ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		if n, ok := inodeIn(f.link(pid, "ns/"+name), name); ok {
			ids[name] = n
		}
	}
	return ids
}

// inodeIn returns the number in a link like "pipe:[123]".
func inodeIn(link, kind string) (uint64, bool) {
	rest, ok := strings.CutPrefix(link, kind+":[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64)
	return n, err == nil
}

// field returns the value of a line "name:\tvalue" in the manner of /proc/PID/status.
func field(text []byte, name string) string {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if len(line) > len(name) && line[len(name)] == ':' && string(line[:len(name)]) == name {
			return string(bytes.TrimSpace(line[len(name)+1:]))
		}
	}
	return ""
}

// number returns the first number of a value of field; 0 if there is none.
func number(value string) int64 {
	value, _, _ = strings.Cut(value, " ")
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
}
