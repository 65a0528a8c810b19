package harness

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rock/tests/lab"
)

// Checkpoint is the command line that writes a group of a host into the image dir. The group is one that was started
// with a Name.
func Checkpoint(t testing.TB, h *lab.Host, name, dir string, options ...string) Spec {
	argv := append([]string{Program(t, "rockctl"), "checkpoint", "-D", dir}, options...)
	return Spec{Host: h, Argv: append(argv, name)}
}

// Restore is the command line that restores the image dir on a host. What it writes to its log is shown
// if the test fails.
func Restore(t testing.TB, h *lab.Host, dir string, options ...string) Spec {
	argv := []string{Program(t, "rockctl"), "restore", "-D", dir}
	return Spec{Host: h, Argv: append(argv, options...), restores: true}
}

// Stopped waits until a group is in an image or on another host, and its command has ended by that.
func (p *Proc) Stopped(t testing.TB) {
	t.Helper()
	if res := p.Wait(t); res.Code != 137 {
		t.Fatalf("%s: %q: exit status %d, want 137 as the group has gone\n%s", p.spec.Host.Name, p.spec.Argv, res.Code, res.Stderr)
	}
}

// Away writes the group of a program into an image, waits for a time, and brings it back. The new
// Proc is in front of the same program, and has only what this writes from then on.
func (p *Proc) Away(t testing.TB, pause time.Duration, options ...string) *Proc {
	t.Helper()
	dir := filepath.Join(TempDir(t), "image")
	Checkpoint(t, p.spec.Host, p.spec.Name, dir, options...).Output(t)
	p.Stopped(t)
	time.Sleep(pause)
	return p.Back(t, dir)
}

// Back restores the group of a program from an image.
func (p *Proc) Back(t testing.TB, dir string, options ...string) *Proc {
	t.Helper()
	spec := Restore(t, p.spec.Host, dir, options...)
	spec.Name, spec.Env = p.spec.Name, p.spec.Env
	return spec.Start(t)
}

// Pause takes the ends of a transfer that have names away for a time, one after the other, and brings
// them back.
func (tr *Transfer) Pause(t testing.TB, pause time.Duration) {
	t.Helper()
	if tr.spec.ClientName != "" {
		tr.Client = tr.Client.Away(t, pause)
	}
	if tr.spec.ServerName != "" {
		tr.Server = tr.Server.Away(t, pause)
	}
}

// Flows waits until more has arrived at both ends.
func (tr *Transfer) Flows(t testing.TB) {
	t.Helper()
	client, server := tr.received(tr.Client), tr.received(tr.Server)
	Until(t, "more bytes received by both ends", func() bool {
		return tr.received(tr.Client) > client && tr.received(tr.Server) > server
	})
}

// Cells are the cgroups whose names begin so.
func Cells(prefix string) []string {
	var all []string
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"} {
		cells, _ := filepath.Glob(filepath.Join(top, prefix+"*"))
		all = append(all, cells...)
	}
	return all
}

// removeCells removes the cgroups of groups whose supervisors were killed before they could do so.
func removeCells() {
	cells := Cells("rock-*-")
	slices.Reverse(cells)
	for _, cell := range cells {
		// Of a live group it is not empty, and so is not removed.
		_ = os.Remove(cell)
	}
}
