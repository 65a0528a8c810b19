package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setApart finds the process 1 of a host that has processes of its own.
func (h *Host) setApart() {
	h.lab.t.Helper()
	pid, err := os.ReadFile(filepath.Join(h.Dir(), "init"))
	if err != nil {
		h.lab.t.Fatal(err)
	}
	h.init = strings.TrimSpace(string(pid))
}

// commandApart is Command for a host apart. A change of mounts would lose the working directory, which is
// therefore found again by its name.
func (h *Host) commandApart(argv []string) *exec.Cmd {
	enter := []string{"-c", `exec nsenter --wdns="$(pwd)" "$@"`, "nsenter",
		"--target", h.init, "--net", "--mount", "--uts", "--pid", "--"}
	return exec.Command("sh", append(enter, argv...)...)
}

// Start starts a command that Command has returned. Whatever the host, its process id, as seen from here, is that
// of the program itself.
func (h *Host) Start(cmd *exec.Cmd) error {
	if h.init == "" {
		return cmd.Start()
	}
	cmd.Args = slices.Insert(cmd.Args, slices.Index(cmd.Args, "--"), "--no-fork")
	started := make(chan error)
	go func() { started <- h.startInside(cmd) }()
	return <-started
}

// startInside starts a command from a thread whose children are born among the host's processes: who is born
// elsewhere can only enter by a child.
func (h *Host) startInside(cmd *exec.Cmd) error {
	there, err := os.Open("/proc/" + h.init + "/ns/pid")
	if err != nil {
		return err
	}
	defer there.Close()
	here, err := os.Open("/proc/thread-self/ns/pid")
	if err != nil {
		return err
	}
	defer here.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("enter the processes of %s: %w", h.Name, err)
	}
	err = cmd.Start()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWPID); back != nil {
		return errors.Join(err, back) // the thread ends with this goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// Private lays a directory of the host's own, empty at first, over a directory of a host apart. It returns where that is for
// others, who see at dir what was there before.
func (h *Host) Private(dir string) string {
	t := h.lab.t
	t.Helper()
	if h.init == "" {
		t.Fatalf("%s has no mounts of its own: use lab.Apart", h.Name)
	}
	own, err := os.MkdirTemp(h.Dir(), "private-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := h.Command("mount", "--bind", own, dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: mount: %v\n%s", h.Name, err, out)
	}
	return own
}
