package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// needCRIU returns the path of CRIU, or skips.
func needCRIU(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("short")
	}
	needRoot(t)
	for _, path := range []string{os.Getenv("ROCK_CRIU"), "/opt/rock/criu/bin/criu", "criu"} {
		if path, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatal("needs CRIU: scripts/setup installs it")
	}
	t.Skip("needs CRIU")
	return ""
}

// start starts a role as the leader of a session and waits until it has gone through its steps.
func start(t *testing.T, steps string) (pid int) {
	t.Helper()
	ready, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleVar + "=" + steps}
	cmd.ExtraFiles = []*os.File{end}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	end.Close()
	if err != nil {
		t.Fatal(err)
	}
	pid = cmd.Process.Pid
	cmd.Process.Release()
	t.Cleanup(func() { // also what was restored
		if unix.Kill(-pid, unix.SIGKILL) == nil {
			reap(pid)
		}
	})
	if n, err := ready.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the role said %d bytes", n)
	}
	return pid
}

// reap waits for all processes of a process group, which are our children or become it (see TestStripFilter).
func reap(group int) {
	for {
		if _, err := unix.Wait4(-group, nil, 0, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}

// criu runs CRIU with its images in one directory and its log in another.
func criu(t *testing.T, path, command, dir string, args ...string) {
	t.Helper()
	work := t.TempDir()
	args = append([]string{command, "-D", dir, "-W", work, "-o", "log", "-v4", "--manage-cgroups=ignore", "--network-lock=skip"}, args...)
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(work, "log"))
		t.Fatalf("criu %s: %v\n%s%s", command, err, out, log)
	}
}

// filters returns what numbers of filters the threads of a session's processes have, in ascending order. The runtime
// may start threads at any time, so how many have which says nothing.
func filters(t *testing.T, session int) []string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), fmt.Sprintf("\nNSsid:\t%d\n", session)) {
			continue
		}
		_, count, _ := strings.Cut(string(b), "\nSeccomp_filters:\t")
		count, _, _ = strings.Cut(count, "\n")
		counts = append(counts, count)
	}
	slices.Sort(counts)
	return slices.Compact(counts)
}

// TestStripFilter dumps processes with filters, strips ours, and looks at what is restored.
func TestStripFilter(t *testing.T) {
	path := needCRIU(t)
	// So that a child whose parent has been killed is ours to wait for.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	for _, tt := range []struct {
		steps    string
		stripped int
		after    map[string]string // how many filters threads have after, by how many they had
	}{
		{"none", 0, map[string]string{"0": "0"}},
		{"ours", 1, map[string]string{"1": "0"}},
		{"ours own", 1, map[string]string{"2": "1"}},
		{"ours own own", 1, map[string]string{"3": "2"}},
		{"own", 0, map[string]string{"1": "1"}},
		{"own ours", 0, map[string]string{"2": "2"}}, // ours is not the oldest
		{"ours child", 2, map[string]string{"1": "0"}},
		{"ours child own", 2, map[string]string{"1": "0", "2": "1"}},
		{"ours own child own", 2, map[string]string{"2": "1", "3": "2"}},
		{"ours thread", 2, map[string]string{"1": "0", "2": "1"}}, // at least: recorded for each thread
	} {
		t.Run(tt.steps, func(t *testing.T) {
			pid := start(t, tt.steps)
			before := filters(t, pid)
			var want []string
			for _, n := range before {
				after, ok := tt.after[n]
				if !ok {
					t.Fatalf("threads have %q filters before", before)
				}
				want = append(want, after)
			}
			place := filepath.Join(t.TempDir(), "image")
			d := draft(t, place)
			criu(t, path, "dump", d.Path(), "-t", fmt.Sprint(pid))
			reap(pid) // their ids must be free
			stripped, err := StripFilter(d.Path(), isOurs)
			if err != nil {
				t.Fatal(err)
			}
			if stripped != tt.stripped && (tt.steps != "ours thread" || stripped < tt.stripped) {
				t.Errorf("stripped %d threads, want %d", stripped, tt.stripped)
			}
			if again, err := StripFilter(d.Path(), isOurs); again != 0 || err != nil {
				t.Errorf("a second time: stripped %d, %v", again, err)
			}
			if err := d.Write(RocksFile, nil); err != nil {
				t.Fatal(err)
			}
			if err := d.Commit(t.Context(), &Manifest{}, nil); err != nil {
				t.Fatal(err)
			}
			criu(t, path, "restore", place, "-d", "--restore-sibling")
			if got := filters(t, pid); !slices.Equal(got, want) {
				t.Errorf("threads have %q filters, want %q, after %q", got, want, before)
			}
			var status unix.WaitStatus
			unix.Kill(pid, unix.SIGUSR1)
			if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != exitStatus {
				t.Errorf("the restored process ended with status %#x (%v)", status, err)
			}
			if err := open(t, place).Verify(t.Context(), nil); err != nil {
				t.Errorf("after the restore: %v", err)
			}
		})
	}
}
