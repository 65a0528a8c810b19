package ckpt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"google.golang.org/protobuf/proto"

	"rock/ckpt/criu"
	"rock/ckpt/image"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
	"rock/rocks/interpose"
)

// restorer restores one image.
type restorer struct {
	image    *image.Image
	state    *interpose.State
	tool     criu.Tool
	options  RestoreOptions
	getenv   func(string) string
	progress func(group.Progress)
}

// Open opens an image that is to be restored, and checks that it is whole and was not restored before.
func (e Engine) Open(ctx context.Context, r stage.Restore, progress func(group.Progress)) (supervise.Restorer, error) {
	options, err := decodeRestoreOptions(r.Options)
	if err != nil {
		return nil, err
	}
	im, err := image.Open(r.Dir)
	if err != nil {
		return nil, err
	}
	x := &restorer{image: im, options: options, getenv: e.Getenv, progress: progress}
	if err := x.check(ctx); err != nil {
		im.Close()
		return nil, err
	}
	return x, nil
}

// Close closes the image.
func (r *restorer) Close() error { return r.image.Close() }

// Identity is what the image says of the group.
func (r *restorer) Identity() supervise.Identity {
	g := r.image.Manifest().Group
	return supervise.Identity{ID: g.ID, Name: g.Name, Command: g.Command, Port: r.state.Port}
}

// restore is one restore under way.
type restore struct {
	*restorer
	job        supervise.RestoreJob
	interposer *interpose.Interposer
	adoption   *interpose.Adoption
	claimed    bool // by this restore
}

// Restore brings the processes back. Before anything is started it looks whether this host has what they need, and asks
// the peers.
func (r *restorer) Restore(ctx context.Context, job supervise.RestoreJob) (*supervise.Restored, error) {
	x := &restore{restorer: r, job: job}
	if err := r.preflight(); err != nil {
		return nil, err
	}
	r.progress(group.Progress{Phase: "restore"})
	root, err := x.run(ctx)
	if err != nil {
		return nil, errors.Join(err, x.undo())
	}
	out := &supervise.Restored{Root: root, Interposer: x.interposer}
	if err := x.adoption.Carry(ctx); err != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("not all connections go on: %v", err))
	}
	return out, nil
}

// run has CRIU restore the processes, if their peers would go on. The interposer is made when CRIU is
// started, since that must be under the filter; the processes' sockets are connected while they are whole and wait.
func (x *restore) run(ctx context.Context) (_ int, err error) {
	work, done, err := workDir(x.job.Logger)
	if err != nil {
		return 0, err
	}
	defer func() { done(err) }()
	m := x.image.Manifest()
	o := &rpc.CriuOpts{
		ImagesDirFd: proto.Int32(int32(x.image.File().Fd())), WorkDirFd: proto.Int32(int32(work.Fd())),
		LogLevel: proto.Int32(logLevel), FileLocks: proto.Bool(true), LinkRemap: proto.Bool(true), ExtUnixSk: proto.Bool(true),
		ManageCgroups: proto.Bool(true), ManageCgroupsMode: rpc.CriuCgMode_IGNORE.Enum(), RstSibling: proto.Bool(true),
	}
	setTCP(o, m.Options.TCPEstablished)
	inherit, closeInherited, err := x.inherit()
	defer closeInherited()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := make(chan error, 1)
	go func() { asked <- x.ask(ctx) }() // while CRIU looks at the kernel
	root, err := x.tool.Restore(ctx, o, inherit, x.start, func(e criu.Event) (err error) {
		switch e.Script {
		case criu.PreRestore: // there is no process yet
			if err := <-asked; err != nil {
				return err
			}
			if err := x.claim(); err != nil || !x.options.CutGrown {
				return err
			}
			return cutGrown(m.Files)
		case criu.PostRestore:
			x.progress(group.Progress{Phase: "run"})
			if x.adoption, err = x.interposer.Adopt(x.state); err == nil && x.job.Ready != nil {
				err = x.job.Ready(ctx)
			}
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("no restore: %w", cause(err))
	}
	return root, nil
}

// start starts CRIU under the filter and in the group's cell. Whatever it starts is there too.
func (x *restore) start(path string, argv []string, files []*os.File) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := &os.ProcAttr{
		Dir: "/", Env: criu.Environ(os.Environ()), Files: append([]*os.File{null, null, null}, files...),
		Sys: &syscall.SysProcAttr{},
	}
	var process *os.Process
	x.interposer, err = interpose.Recreate(x.job.Config, x.state, func() (int, error) {
		err := x.job.Cell.Around(attr.Sys, func() (err error) {
			process, err = os.StartProcess(path, argv, attr)
			return err
		})
		if err != nil {
			return 0, err
		}
		return process.Pid, nil
	})
	return process, err
}

// undo leaves nothing of a restore that failed.
func (x *restore) undo() error {
	var errs []error
	if x.adoption != nil {
		x.adoption.Abandon()
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	errs = append(errs, x.job.Cell.Kill(ctx))
	if x.interposer != nil {
		brief, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = x.interposer.Close(brief) // nothing of it is to be delivered
	}
	if x.claimed {
		errs = append(errs, x.image.Unclaim())
	}
	return errors.Join(errs...)
}
