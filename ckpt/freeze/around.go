package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Around calls start such that the processes which it forks on this thread, with these attributes
// where it matters (version 2), are in the group from their first instruction on. start must
// fork on the goroutine that it is called on. sys must not be nil; it is as before afterwards.
//
// The error is start's, or an [*Error] and then start was not called, with one exception: if the
// thread could not leave the group again (version 1), then the goroutine stays locked to it,
// so that the thread ends with the goroutine, and start was called.
//
// A frozen group is refused: the child would freeze before it has executed anything, and this process
// with it.
func (g *Group) Around(sys *syscall.SysProcAttr, start func() error) error {
	const op = "start in cgroup"
	release, err := g.acquire(context.Background())
	if err != nil {
		return &Error{op, g.path, err, ""}
	}
	defer release()
	thawed, err := g.control.thawed()
	if err != nil {
		return fail(op, g.path, err)
	}
	if !thawed {
		return &Error{op, g.path, errors.New("it is frozen"), "thaw it first"}
	}
	if g.Version() == 1 {
		return g.visit(op, start)
	}
	dir, err := os.Open(g.path)
	if err != nil {
		return fail(op, g.path, err)
	}
	defer dir.Close()
	use, fd := sys.UseCgroupFD, sys.CgroupFD
	defer func() { sys.UseCgroupFD, sys.CgroupFD = use, fd }()
	sys.UseCgroupFD, sys.CgroupFD = true, int(dir.Fd())
	return start()
}

// visit calls start while this thread is in the cgroup. The runtime starts no threads from a locked one,
// so no other thread of ours gets in.
func (g *Group) visit(op string, start func() error) error {
	runtime.LockOSThread()
	home, err := g.home()
	if err != nil {
		runtime.UnlockOSThread()
		return fail(op, g.path, err)
	}
	defer home.Close()
	inside, err := os.OpenFile(filepath.Join(g.path, "tasks"), os.O_WRONLY, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fail(op, g.path, err)
	}
	defer inside.Close()
	if err := enter(inside); err != nil {
		runtime.UnlockOSThread()
		return fail(op, g.path, err)
	}
	startErr := start()
	if err := enter(home); err != nil {
		err := &Error{op, g.path, fmt.Errorf("leave it again: %w", err), ""}
		return errors.Join(startErr, err)
	}
	runtime.UnlockOSThread()
	return startErr
}

// home opens the file by which this thread gets back to the cgroup where it is now.
func (g *Group) home() (*os.File, error) {
	dirs, err := own("self/task/"+strconv.Itoa(unix.Gettid()), 1)
	if err != nil {
		return nil, err
	}
	err = errNone
	for _, dir := range dirs {
		f, openErr := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if openErr == nil {
			return f, nil
		}
		err = openErr
	}
	return nil, err
}

// enter moves the calling thread to the cgroup that the tasks file is of.
func enter(tasks *os.File) error {
	_, err := tasks.WriteString("0")
	return err
}
