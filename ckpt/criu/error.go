package criu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
)

// Error says why an operation has failed.
type Error struct {
	Op     string   // "dump" or "restore"
	Cause  string   // what is in the way
	Remedy string   // what to do about it; "" if this package knows no better than the log
	Log    string   // path of CRIU's log; "" if there is none
	Lines  []string // of the log: the error that was the cause, and the last three
	Err    error    // if the cause is not in the log: of the hook, of the context, of the system
}

// Error returns one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "criu %s: %s", e.Op, e.Cause)
	if e.Remedy != "" {
		fmt.Fprintf(&b, ": %s", e.Remedy)
	} else if e.Log != "" {
		fmt.Fprintf(&b, ": see %s", e.Log)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// failed is the error if the reason is not in the log.
func (op operation) failed(err error) *Error {
	e := &Error{Op: op.name, Cause: err.Error(), Err: err}
	if f, path, err := op.openLog(); err == nil {
		e.Log = path
		f.Close()
	}
	return e
}

// explained is the error if the reason is in CRIU's log, or in what CRIU has said
// before it had one. If it is in neither, err or the response has to do; err is
// what has become of CRIU if there is no response.
func (op operation) explained(early *os.File, resp *rpc.CriuResp, err error) *Error {
	e := &Error{Op: op.name, Err: err}
	var found finding
	if f, path, err := op.openLog(); err == nil {
		e.Log = path
		found = explain(f)
		f.Close()
	}
	if found.cause == "" {
		if _, err := early.Seek(0, 0); err == nil {
			found = explain(early)
		}
	}
	if found.remedy == "" && op.full() {
		full := explain(strings.NewReader(fullLine))
		found.cause, found.remedy = full.cause, full.remedy
	}
	if found.cause == "" && err == nil {
		if found.cause = resp.GetCrErrmsg(); harmless.MatchString(found.cause) || found.cause == "" {
			found.cause = fmt.Sprintf("criu says no more than that it failed (errno %d)", resp.GetCrErrno())
		}
	}
	e.Cause, e.Remedy, e.Lines = found.cause, found.remedy, found.lines
	if err != nil {
		e.Cause = strings.TrimSuffix(err.Error()+": "+found.cause, ": ")
	}
	return e
}

// fullLine is what CRIU would have logged if it could.
const fullLine = "Error (criu/bfd.c:1): No space left on device\n"

// full says whether there is no room at all where the images are: then the log may be cut off, or empty.
func (op operation) full() bool {
	fd := int(op.opts.GetImagesDirFd())
	var st unix.Statfs_t
	return fd >= 0 && unix.Fstatfs(fd, &st) == nil && st.Bavail == 0
}

// logDir returns the descriptor of the directory where the log is, -1 if it is
// given by name only.
func (op operation) logDir() int {
	if op.opts.WorkDirFd != nil {
		return int(op.opts.GetWorkDirFd())
	}
	return int(op.opts.GetImagesDirFd())
}

// openLog opens CRIU's log and tells its path.
func (op operation) openLog() (*os.File, string, error) {
	name, dir := op.opts.GetLogFile(), op.opts.GetImagesDir()
	path := filepath.Join(dir, name)
	if fd := op.logDir(); fd >= 0 {
		dir = fmt.Sprintf("/proc/self/fd/%d", fd)
		path = name // if its directory is gone it has no better one
		if real, err := os.Readlink(dir); err == nil {
			path = filepath.Join(real, name)
		}
	}
	f, err := os.Open(filepath.Join(dir, name))
	return f, path, err
}

// removeLog makes sure that no log of an earlier operation is there.
func (op operation) removeLog() error {
	fd := op.logDir()
	if fd < 0 {
		return nil
	}
	if err := unix.Unlinkat(fd, op.opts.GetLogFile(), 0); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove old %s: %w", op.opts.GetLogFile(), err)
	}
	return nil
}
