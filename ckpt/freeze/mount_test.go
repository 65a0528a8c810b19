package freeze

import (
	"slices"
	"testing"
)

func TestMounts(t *testing.T) {
	const mountinfo = `30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
36 30 0:33 / /sys/fs/cgroup/freezer rw,relatime shared:7 master:1 - cgroup cgroup rw,freezer
37 30 0:34 /docker/1 /mnt/a\040b rw,relatime - cgroup none rw,devices,freezer
40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
garbage
1 2 3 - cgroup2
`
	tests := []struct {
		version int
		want    []mount
	}{
		{1, []mount{{1, "/", "/sys/fs/cgroup/freezer"}, {1, "/docker/1", "/mnt/a b"}}},
		{2, []mount{{2, "/", "/sys/fs/cgroup/unified"}}},
	}
	for _, tt := range tests {
		if got := mounts(mountinfo, tt.version); !slices.Equal(got, tt.want) {
			t.Errorf("version %d: %v, want %v", tt.version, got, tt.want)
		}
	}
}

func TestMembership(t *testing.T) {
	const hybrid = "9:name=systemd:/x\n6:devices,freezer:/a:b\n1:cpu:/c\n0::/u/v\n"
	tests := []struct {
		cgroups string
		version int
		want    string
		ok      bool
	}{
		{hybrid, 1, "/a:b", true},
		{hybrid, 2, "/u/v", true},
		{"0::/\n", 2, "/", true},
		{"0::/\n", 1, "", false},
		{"6:freezer:/\n", 2, "", false},
		{"", 2, "", false},
	}
	for _, tt := range tests {
		if got, ok := membership(tt.cgroups, tt.version); got != tt.want || ok != tt.ok {
			t.Errorf("membership(%q, %d) = %q, %v, want %q, %v", tt.cgroups, tt.version, got, ok, tt.want, tt.ok)
		}
	}
}

func TestMountDir(t *testing.T) {
	tests := []struct{ name, root, cgroup, want string }{
		{"root", "/", "/", "/m"},
		{"below", "/", "/a/b", "/m/a/b"},
		{"container that sees only its part", "/docker/1", "/docker/1", "/m"},
		{"below it", "/docker/1", "/docker/1/x", "/m/x"},
		{"another with a name that begins so", "/docker/1", "/docker/12", "/m"},
		{"another part", "/docker/1", "/other", "/m"},
		{"outside of the namespace", "/", "/../other", "/m"},
		{"mount from above the namespace", "/..", "/", "/m"},
		{"mount from above, cgroup too", "/..", "/../x", "/m/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mount{2, tt.root, "/m"}
			if got := m.dir(tt.cgroup); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
