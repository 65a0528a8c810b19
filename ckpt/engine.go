package ckpt

import (
	"context"
	"fmt"
	"math/rand/v2"

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

// Rescue lets the processes in a cell go on whose supervisor died, maybe while they were frozen, or ends them if the group
// lives on another host by then. It is for front.Options.
func Rescue(cell string) error {
	g, err := freeze.Open(cell)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if g.Marked() { // they live elsewhere, so these must not
		return g.Kill(ctx)
	}
	return g.Thaw(ctx)
}

// Prune keeps the newest images in dir whose names begin with prefix, and removes the others.
func (Engine) Prune(dir, prefix string, keep int) error { return image.Prune(dir, prefix, keep) }
