package survey

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Free says which of the pids, thread ids, process groups and sessions of an image are in use, by whom and as what. A zombie
// holds its pid, and a process group or session its number after its leader has ended. It takes a few
// milliseconds for a hundred processes of the machine.
func Free(pids []int) []Problem {
	pids = slices.Compact(slices.Sorted(slices.Values(pids)))
	l := &look{}
	groups, sessions := map[int]Process{}, map[int]Process{}
	all, _ := l.proc.list("", "")
	for _, pid := range all {
		p := Process{PID: pid}
		if l.stat(&p) == nil {
			groups[p.Group], sessions[p.Session] = p, p
		}
	}
	var problems []Problem
	for _, pid := range pids {
		remedy := "end that process, or restore in a new pid namespace"
		p := Process{PID: pid}
		if l.stat(&p) == nil { // also finds threads, which a listing of /proc leaves out
			what := fmt.Sprintf("pid %d of the image is in use by %s", pid, p.Name)
			status, err := l.proc.read(strconv.Itoa(pid), "status")
			if leader := int(number(field(status, "Tgid"))); err == nil && leader != pid {
				what = fmt.Sprintf("pid %d of the image is in use by a thread of %s", pid, l.name(leader))
			} else if p.State == 'Z' {
				what += ", which has ended"
				remedy = "its parent " + l.name(p.Parent) + " must wait for it, or end too"
			}
			problems = append(problems, Problem{What: what, Remedy: remedy})
			continue
		}
		if p, ok := sessions[pid]; ok {
			problems = append(problems, Problem{What: fmt.Sprintf("pid %d of the image is in use as the session of %s", pid, l.name(p.PID)), Remedy: remedy})
		} else if p, ok := groups[pid]; ok {
			problems = append(problems, Problem{What: fmt.Sprintf("pid %d of the image is in use as the process group of %s", pid, l.name(p.PID)), Remedy: remedy})
		}
	}
	return problems
}

// Past is where and when the files were seen that CheckFiles looks for, for its messages.
type Past struct {
	When   string            // "at the checkpoint"
	Remedy func(File) string // for a file that is missing or another; "" or nil: what holds for files of that kind
}

// CheckFiles compares the files of an image with what is there, and reports all differences that CRIU would refuse: it
// wants the same size, mode and build id, but never looks at what is in a file.
func CheckFiles(files []File, past Past) []Problem {
	c := fileCheck{Past: past, said: map[string]bool{}}
	for _, f := range files {
		c.check(f)
	}
	return c.problems
}

// fileCheck is a CheckFiles on its way.
type fileCheck struct {
	Past
	problems []Problem
	said     map[string]bool
}

// add adds a problem with what a file is, or that it is not there.
func (c *fileCheck) add(f File, what, remedy string) {
	if c.Remedy != nil {
		remedy = cmp.Or(c.Remedy(f), remedy)
	}
	c.say(what, remedy)
}

// say adds a problem once.
func (c *fileCheck) say(what, remedy string) {
	if !c.said[what] {
		c.said[what] = true
		c.problems = append(c.problems, Problem{What: what, Remedy: remedy})
	}
}

func (c *fileCheck) check(f File) {
	if f.Kind == KindDeleted {
		// CRIU makes it, and removes it again.
		dir := filepath.Dir(f.Path)
		if err := unix.Access(dir, unix.W_OK); err != nil && filepath.IsAbs(dir) {
			c.add(f, fmt.Sprintf("the folder %s is not there or not writable (%v), but a deleted file was in it", dir, err), "make it")
		}
		return
	}
	var st unix.Stat_t
	if err := unix.Stat(f.Path, &st); err != nil {
		c.add(f, fmt.Sprintf("%s cannot be opened: %v", f.Path, err), "put back what was there "+c.When)
		return
	}
	if st.Mode&unix.S_IFMT != f.Mode&unix.S_IFMT {
		c.add(f, fmt.Sprintf("%s is another kind of file than %s", f.Path, c.When), "put back what was there")
		return
	}
	if st.Mode != f.Mode {
		c.say(fmt.Sprintf("%s has the mode %04o, %s it had %04o", f.Path, st.Mode&07777, c.When, f.Mode&07777),
			fmt.Sprintf("chmod %04o %s", f.Mode&07777, f.Path))
	}
	if f.Kind == KindDirectory {
		return
	}
	if f.Kind != KindAppend && st.Size != f.Size {
		c.add(f, fmt.Sprintf("%s has %d bytes, %s it had %d", f.Path, st.Size, c.When, f.Size), sizeRemedy(f, st.Size))
	} else if id := buildNow(f); id != f.BuildID {
		c.add(f, fmt.Sprintf("%s is another build (%s) than %s (%s)", f.Path, id, c.When, f.BuildID), "install the same version")
	}
}

// sizeRemedy is for a file with another size.
func sizeRemedy(f File, size int64) string {
	switch {
	case f.Kind != KindRegular:
		return "install the same version"
	case size > f.Size && f.Flags&unix.O_ACCMODE != unix.O_RDONLY:
		return "put back what was there; if the group has only written on, --cut-grown cuts it back"
	}
	return "put back what was there"
}

// buildNow returns the build id of what is at the path of a file, if it had one in the image.
func buildNow(f File) string {
	if f.BuildID == "" {
		return ""
	}
	id, _ := readBuildID(f.Path)
	return id
}
