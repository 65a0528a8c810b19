package ckpt

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"rock/ckpt/survey"
)

// PreflightError says why a checkpoint or a restore was not begun: everything that is in the way, at once.
type PreflightError struct {
	What     string // "checkpoint" or "restore"
	Problems []survey.Problem
}

// Error returns one line for one problem, else one line for each under a heading.
func (e *PreflightError) Error() string {
	if len(e.Problems) == 1 {
		return fmt.Sprintf("no %s: %v", e.What, e.Problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "no %s, for %d reasons:", e.What, len(e.Problems))
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %v", p)
	}
	return b.String()
}

// preflight returns an error if there are problems.
func preflight(what string, problems []survey.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &PreflightError{What: what, Problems: problems}
}

// slack is what an image needs beside the memory of its processes, in bytes: tables, logs, queues of sockets.
const slack = 16 << 20

// checkSpace says whether the file system of dir has room for an image with so many bytes of memory.
func checkSpace(dir string, memory int64) []survey.Problem {
	var st unix.Statfs_t
	for unix.Statfs(dir, &st) != nil {
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up // it is made later
	}
	free := int64(st.Bavail) * st.Bsize
	if need := memory + slack; free < need {
		return []survey.Problem{{
			What:   fmt.Sprintf("%s has %d MiB free, and up to %d MiB are needed", dir, free>>20, need>>20),
			Remedy: "make room, or give another place with -D",
		}}
	}
	return nil
}

// lines returns problems as warnings for the user.
func lines(problems []survey.Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.String())
	}
	return list
}
