package survey

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// judgeMount checks that a file is reached through a mount that is there: one that came from another mount namespace, as
// when somebody entered ours with it (nsenter, a container's own tools), or whose mount is no more, cannot be
// opened again. mount is the number of it, 0 if that is not known.
func (l *look) judgeMount(p *Process, thing, path, where string, mount int) {
	if is, ok := p.Namespaces["mnt"]; !ok || is != l.own["mnt"] {
		return // of which judgeNamespaces tells
	}
	if l.mounts == nil {
		l.mounts = l.proc.mounts()
	}
	if mount == 0 || len(l.mounts) == 0 || l.mounts[mount] {
		return
	}
	l.problem(p, "mount of "+thing+path, "has "+path+" open through a mount of another mount namespace, or one that is no more"+where,
		"have it opened in this mount namespace: redirect it there, as in rock -k COMMAND </dev/null >/var/log/FILE 2>&1")
}

// mountOf returns the number of the mount of a folder of a process.
func mountOf(name string) int {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, name, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return 0
	}
	return int(st.Mnt_id)
}

// mounts returns the numbers of all mounts in our namespace.
func (f *procfs) mounts() map[int]bool {
	ids := map[int]bool{}
	text, _ := f.read("self", "mountinfo")
	for line := range bytes.Lines(text) {
		number, _, _ := bytes.Cut(line, []byte{' '})
		if id, err := strconv.Atoi(string(number)); err == nil {
			ids[id] = true
		}
	}
	return ids
}
