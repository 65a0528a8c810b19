package criu

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// firstInherited is the number of the first descriptor handed in to a restore.
const firstInherited = 4

// Dump writes the tree whose root is opts.Pid to the directory opts.ImagesDirFd,
// which is a descriptor of this process, as is opts.WorkDirFd, where the log goes.
// Unless set, the log is dump.log at level 4. opts is not changed. hook may be nil.
//
// Dump blocks until CRIU has ended. If ctx is done before, CRIU is made to fail, and killed if
// it does not within a second; the error wraps the cause. The error is an [*Error]; the tasks then run on, or are
// frozen again if they were. But a CRIU that was killed, by ctx or by somebody else,
// has no chance to freeze them again (it thaws their cgroup in order to dump), nor
// to unmap what it had put into them, about 1 MiB; and a task that was executing a system call for it at that moment dies.
func (t Tool) Dump(ctx context.Context, opts *rpc.CriuOpts, hook Hook) (*rpc.CriuDumpResp, error) {
	o := defaults(opts, "dump.log")
	op := operation{tool: t, name: "dump", kind: rpc.CriuReqType_DUMP, opts: o}
	resp, err := op.run(ctx, nil, nil, hook)
	if err != nil {
		return nil, err
	}
	return resp.GetDump(), nil
}

// Restore makes the tree in opts.ImagesDirFd anew and returns the pid of its root,
// which is a child of this process unless opts.RstSibling is set to false. inherit
// has what stands for things outside of the tree, by a key of CRIU's as
// "pipe:[123]" or "tty[8803:1]"; the files stay the caller's. start may be nil,
// for a plain start. All else is as for Dump; the log is restore.log.
//
// If Restore fails nothing is left of the tree, with one exception: when CRIU was
// killed, by ctx or by somebody else, before it told the pid of the root, what it had
// made until then stays. The caller who may kill CRIU starts it in a cgroup which can
// then be killed.
func (t Tool) Restore(ctx context.Context, opts *rpc.CriuOpts, inherit map[string]*os.File, start Starter, hook Hook) (pid int, err error) {
	o := defaults(opts, "restore.log")
	if o.RstSibling == nil {
		o.RstSibling = proto.Bool(true)
	}
	var files []*os.File
	for _, key := range slices.Sorted(maps.Keys(inherit)) {
		o.InheritFd = append(o.InheritFd, &rpc.InheritFd{
			Key: proto.String(key), Fd: proto.Int32(int32(firstInherited + len(files))),
		})
		files = append(files, inherit[key])
	}
	op := operation{tool: t, name: "restore", kind: rpc.CriuReqType_RESTORE, opts: o}
	root := 0
	resp, err := op.run(ctx, files, start, func(e Event) error {
		if e.PID > 0 {
			root = e.PID
		}
		if hook == nil {
			return nil
		}
		return hook(e)
	})
	if pid := int(resp.GetRestore().GetPid()); pid > 0 {
		root = pid // not all restores get as far as to a notification with it
	}
	if err != nil {
		remove(root)
		return 0, err
	}
	return root, nil
}

// defaults returns a copy of opts with what every operation needs.
func defaults(opts *rpc.CriuOpts, log string) *rpc.CriuOpts {
	o := proto.Clone(opts).(*rpc.CriuOpts)
	if o.ImagesDirFd == nil {
		o.ImagesDirFd = proto.Int32(-1) // required; CRIU then takes ImagesDir
	}
	if o.NotifyScripts == nil {
		o.NotifyScripts = proto.Bool(true)
	}
	if o.LogLevel == nil {
		o.LogLevel = proto.Int32(4)
	}
	if o.LogFile == nil {
		o.LogFile = proto.String(log)
	}
	return o
}

// operation is a dump or a restore.
type operation struct {
	tool Tool
	name string
	kind rpc.CriuReqType
	opts *rpc.CriuOpts
}

// run does it. The error is an *Error. A response that there is comes with it.
func (op operation) run(ctx context.Context, files []*os.File, start Starter, hook Hook) (*rpc.CriuResp, error) {
	early, err := earlyLog()
	if err != nil {
		return nil, op.failed(err)
	}
	defer early.Close()
	if start == nil {
		start = startPlain(early)
	}
	// What an earlier operation has logged would be taken for this one's.
	if err := op.removeLog(); err != nil {
		return nil, op.failed(err)
	}
	s, err := open(ctx, op.tool.Path, files, start)
	if err != nil {
		return nil, op.failed(err)
	}
	if op.kind == rpc.CriuReqType_DUMP {
		s.careful(ctx)
	}
	resp, refused, err := s.do(&rpc.CriuReq{Type: op.kind.Enum(), Opts: op.opts}, hook)
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return nil, op.failed(context.Cause(ctx))
	case err != nil && refused == nil:
		return nil, op.explained(early, nil, err)
	case err != nil, !resp.GetSuccess() && refused != nil:
		return resp, op.failed(refused)
	case !resp.GetSuccess() && context.Cause(ctx) != nil:
		return resp, op.failed(context.Cause(ctx))
	case !resp.GetSuccess():
		return resp, op.explained(early, resp, nil)
	}
	return resp, nil
}

// earlyLog returns a file in memory.
func earlyLog() (*os.File, error) {
	fd, err := unix.MemfdCreate("criu stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file for messages: %w", err)
	}
	return os.NewFile(uintptr(fd), "criu stderr"), nil
}
