package ckpt

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"rock/ckpt/criu"
)

// workDir makes a directory for CRIU's log and statistics, which it writes to until it ends: an image is finished
// before. done removes it, unless err says that the log is the only explanation there is.
func workDir(log *slog.Logger) (dir *os.File, done func(err error), err error) {
	path, err := os.MkdirTemp("", "rock-criu-")
	if err == nil {
		dir, err = os.Open(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make directory for CRIU's log: %w", err)
	}
	return dir, func(err error) {
		dir.Close()
		var bad *criu.Error
		if errors.As(err, &bad) {
			for _, line := range bad.Lines {
				log.Warn("CRIU", "op", bad.Op, "line", line)
			}
			if bad.Remedy == "" && bad.Err == nil {
				return
			}
		}
		os.RemoveAll(path)
	}, nil
}

// cause prefers, of an error of CRIU's, the one that a hook of ours gave.
func cause(err error) error {
	var bad *criu.Error
	if errors.As(err, &bad) && bad.Err != nil {
		return bad.Err
	}
	return err
}
