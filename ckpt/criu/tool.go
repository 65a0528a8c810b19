package criu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// installed is where scripts/setup puts a CRIU if the distribution's does not work.
const installed = "/opt/rock/criu/bin/criu"

// Tool is a CRIU executable. Its methods may be used by any number of goroutines
// at once: each call runs a CRIU of its own.
type Tool struct {
	Path string // absolute
}

// ErrMissing matches every [*MissingError].
var ErrMissing = errors.New("CRIU is missing")

// MissingError says that there is no CRIU, or not where $ROCK_CRIU says.
type MissingError struct {
	Why error // what was found instead
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("find CRIU: %v: run scripts/setup, or set ROCK_CRIU to the path of criu", e.Why)
}

func (e *MissingError) Unwrap() error { return e.Why }

func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// Find returns the CRIU to use: $ROCK_CRIU if that is set, else the one that
// scripts/setup has installed, else the one in PATH. It only looks whether the
// file may be executed; see [Tool.Usable]. The error is a [*MissingError].
func Find(getenv func(string) string) (Tool, error) {
	return find(getenv, installed, exec.LookPath)
}

func find(getenv func(string) string, installed string, look func(string) (string, error)) (Tool, error) {
	if path := getenv("ROCK_CRIU"); path != "" {
		if err := executable(path); err != nil {
			return Tool{}, &MissingError{Why: fmt.Errorf("$ROCK_CRIU: %w", err)}
		}
		return absolute(path)
	}
	if executable(installed) == nil {
		return absolute(installed)
	}
	path, err := look("criu")
	if err != nil {
		return Tool{}, &MissingError{Why: err}
	}
	return absolute(path)
}

func absolute(path string) (Tool, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Tool{}, &MissingError{Why: err}
	}
	return Tool{Path: path}, nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
