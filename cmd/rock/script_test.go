package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rock/ckpt/criu"
)

// bin is the directory with rock and rockctl, built once.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "rock-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	if out, err := exec.Command("go", "build", "-o", bin, "rock/cmd/rock", "rock/cmd/rockctl").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// canCheckpoint says whether checkpoints are possible here. It is an error if not where no test may be skipped.
func canCheckpoint() (bool, error) {
	err := errors.New("only root can")
	if os.Geteuid() == 0 {
		_, err = criu.Find(os.Getenv)
	}
	if err != nil && os.Getenv("ROCK_TEST_STRICT") == "1" {
		return false, fmt.Errorf("checkpoints are not possible, and ROCK_TEST_STRICT=1 forbids to skip: %w", err)
	}
	return err == nil && !testing.Short(), nil
}

// TestScripts runs what a user could have typed, testdata/*.txt.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("ROCK_RUNTIME_DIR", e.WorkDir+"/run")
			e.Setenv("ROCK_CONFIG", os.DevNull)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "checkpoints" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return canCheckpoint()
		},
	})
}
