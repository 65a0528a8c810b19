package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rock/ckpt/freeze"
	"rock/rocks/group"
)

// resolveTime is how long the two processes of a target may take to come to an end.
const resolveTime = 30 * time.Second

// Resolve decides on this host, the target, what has become of a migration whose connection broke: group.AnswerRuns, or
// group.AnswerNever, and then the group never comes to life here. It waits until nobody works on it any more. An error beside an
// answer says that files that came along could not be settled; it is tried again when another migration comes here. getenv is os.Getenv, or another in tests.
func Resolve(ctx context.Context, token string, getenv func(string) string) (string, error) {
	place, err := placeOf(StagingDir(getenv), token)
	if err != nil {
		return "", err
	}
	j, err := openJournal(filepath.Join(place, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return group.AnswerNever, nil // it never got so far, or never will: nobody begins with an old token
	}
	if err != nil {
		return "", err
	}
	defer j.close()
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	if err := j.alone(ctx); err != nil {
		return "", fmt.Errorf("resolve migration: %w", err)
	}
	answer, err := finish(ctx, j, place)
	if answer != "" {
		_ = os.RemoveAll(filepath.Join(place, imageDir)) // who was to do so may be dead
	}
	return answer, err
}

// finish decides for a migration on which nobody works any more, and settles its files.
func finish(ctx context.Context, j *journal, place string) (string, error) {
	last, err := j.last()
	if err != nil {
		return "", err
	}
	if last.State == stateRuns {
		return group.AnswerRuns, thisTree.Settle(place)
	}
	if last.State != stateNever {
		if err := bury(ctx, last.Cell); err != nil {
			return "", err
		}
		if err := j.note(entry{State: stateNever}); err != nil {
			return "", err
		}
	}
	return group.AnswerNever, thisTree.Undo(place)
}

// bury kills what is left in the cell of a group whose supervisor died when it was to run.
func bury(ctx context.Context, cell string) error {
	if cell == "" {
		return nil
	}
	g, err := freeze.Open(cell)
	if err != nil {
		return nil // it is gone
	}
	if err := g.Kill(ctx); err != nil {
		if _, err := os.Lstat(cell); errors.Is(err, fs.ErrNotExist) {
			return nil // a supervisor that lives has removed it meanwhile
		}
		return fmt.Errorf("resolve migration: %w", err)
	}
	return g.Remove()
}
