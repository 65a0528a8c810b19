package ckpt

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
)

// A group that goes on after its checkpoint writes to its files, and CRIU wants them as they were (their size, that is).
// Who restores an older image after a crash may have them cut back: the group will write the rest again.

// grown returns the files that the group had open for writing and that are longer now. Those open with O_APPEND only,
// as logs are, may be longer.
func grown(files []image.File) []image.File {
	var list []image.File
	for _, f := range files {
		if survey.Kind(f.Kind) != survey.KindRegular || f.Flags&unix.O_ACCMODE == unix.O_RDONLY {
			continue
		}
		if info, err := os.Stat(f.Path); err == nil && info.Mode().IsRegular() && info.Size() > f.Size {
			list = append(list, f)
		}
	}
	return list
}

// cutGrown cuts them back.
func cutGrown(files []image.File) error {
	for _, f := range grown(files) {
		if err := os.Truncate(f.Path, f.Size); err != nil {
			return fmt.Errorf("cut %s back to what it was: %w", f.Path, err)
		}
	}
	return nil
}
