package ckpt

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"rock/ckpt/freeze"
	"rock/ckpt/image"
	"rock/rocks/group/supervise"
)

// Engine makes checkpoints and restores them. With package migrate it is a supervise.Checkpointer. Its methods may be used by any number of goroutines, for one
// group by one at a time.
type Engine struct {
	// Rock is the version of this program, for the manifest.
	Rock string
	// Getenv is os.Getenv, or another in tests.
	Getenv func(string) string
}

// NewCell makes a cgroup for the processes of the group id. Its name has a random number too: hosts that are made of
// namespaces share cgroups, a group may be on two of them, and its supervisors have the same pid there.
func (Engine) NewCell(id string) (supervise.Cell, error) {
	name := fmt.Sprintf("rock-%s-%08x", id, rand.Uint32())
	g, err := freeze.New(name)
	if err != nil {
		return nil, fmt.Errorf("make a cgroup for the group: %w", err)
	}
	return g, nil
}

// OpenCell opens a cgroup that NewCell made.
func (Engine) OpenCell(path string) (supervise.Cell, error) { return freeze.Open(path) }

// Rescue lets the processes in a cell go on whose supervisor died, maybe while they were frozen. If they are marked, and so may live on
// another host, it leaves them to the guard, which knows more. It is for front.Options.
func Rescue(cell string) error {
	g, err := freeze.Open(cell)
	if err != nil {
		return err
	}
	if g.Marked() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	for {
		traced := isTraced(g)
		if err := g.Thaw(ctx); err != nil || !traced {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // they run when CRIU lets go of them
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// isTraced says whether CRIU holds processes of a cell. It freezes the cell again before it lets go of them, if that was frozen before.
func isTraced(g *freeze.Group) bool {
	pids, _ := g.Pids()
	for _, pid := range pids {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, tracer, ok := bytes.Cut(status, []byte("TracerPid:\t")); ok && !bytes.HasPrefix(tracer, []byte("0\n")) {
			return true
		}
	}
	return false
}

// Prune keeps the newest images in dir whose names begin with prefix, and removes the others.
func (Engine) Prune(dir, prefix string, keep int) error { return image.Prune(dir, prefix, keep) }
