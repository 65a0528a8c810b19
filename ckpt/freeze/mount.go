package freeze

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// mount is a line of /proc/PID/mountinfo that is a cgroup hierarchy with a freezer.
type mount struct {
	version int
	root    string // the cgroup that is seen at point
	point   string
}

// mounts returns the mounts of one version in a mountinfo file.
func mounts(mountinfo string, version int) []mount {
	var found []mount
	for line := range strings.Lines(mountinfo) {
		// 36 30 0:33 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
		left, right, ok := strings.Cut(line, " - ")
		mnt, fs := strings.Fields(left), strings.Fields(right)
		if !ok || len(mnt) < 6 || len(fs) < 3 {
			continue
		}
		is := fs[0] == "cgroup2"
		if version == 1 {
			is = fs[0] == "cgroup" && slices.Contains(strings.Split(fs[2], ","), "freezer")
		}
		if is {
			found = append(found, mount{version, unescape(mnt[3]), unescape(mnt[4])})
		}
	}
	return found
}

// unescape undoes what the kernel does to blanks and backslashes in mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// membership returns the cgroup that a /proc/PID/cgroup file names for the hierarchy.
func membership(cgroups string, version int) (string, bool) {
	for line := range strings.Lines(cgroups) {
		// 6:freezer:/a/b or 0::/a/b
		field := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(field) < 3 {
			continue
		}
		is := field[0] == "0" && field[1] == ""
		if version == 1 {
			is = slices.Contains(strings.Split(field[1], ","), "freezer")
		}
		if is {
			return field[2], true
		}
	}
	return "", false
}

// dir returns where a cgroup is seen in this mount. It is not if the mount shows
// another part of the hierarchy, as a bind mount in a container may, or if the cgroup is outside
// of our cgroup namespace; then it is the uppermost one that is seen.
func (m mount) dir(cgroup string) string {
	if m.root == "/" && !strings.HasPrefix(cgroup, "/..") {
		return path.Join(m.point, cgroup)
	}
	if rest, ok := strings.CutPrefix(cgroup, m.root); ok && (rest == "" || rest[0] == '/') {
		return path.Join(m.point, rest)
	}
	return m.point
}

// own returns where the cgroup of one of our threads (or of our process, for "self") is seen, one
// directory for each mount that there is, possibly none.
func own(thread string, version int) ([]string, error) {
	cgroups, err := os.ReadFile("/proc/" + thread + "/cgroup")
	if err != nil {
		return nil, fmt.Errorf("look for own cgroup: %w", err)
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("look for cgroup mounts: %w", err)
	}
	cgroup, ok := membership(string(cgroups), version)
	if !ok {
		return nil, nil
	}
	var dirs []string
	for _, m := range mounts(string(mountinfo), version) {
		dirs = append(dirs, m.dir(cgroup))
	}
	return dirs, nil
}
