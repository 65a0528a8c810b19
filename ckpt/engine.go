package ckpt

import (
	"fmt"

	"rock/ckpt/freeze"
	"rock/ckpt/image"
	"rock/rocks/group/supervise"
)

// Engine makes checkpoints and restores them. Its methods may be used by any number of goroutines, for one
// group by one at a time.
type Engine struct {
	// Rock is the version of this program, for the manifest.
	Rock string
	// Getenv is os.Getenv, or another in tests.
	Getenv func(string) string
}

var _ supervise.Checkpointer = Engine{}

// NewCell makes a cgroup for the processes of the group id.
func (Engine) NewCell(id string) (supervise.Cell, error) {
	g, err := freeze.New("rock-" + id)
	if err != nil {
		return nil, fmt.Errorf("make a cgroup for the group: %w", err)
	}
	return g, nil
}

// Prune keeps the newest images in dir whose names begin with prefix, and removes the others.
func (Engine) Prune(dir, prefix string, keep int) error { return image.Prune(dir, prefix, keep) }
