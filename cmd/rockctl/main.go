// Command rockctl operates groups: the commands that run under rock, with their connections.
//
// See rockctl --help, and package rocks/group for how a group is found and asked.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"rock/ckpt"
	"rock/migrate"
	"rock/rocks/group/front"
	"rock/rocks/group/stages"
)

func main() {
	stages.Main(migrate.Engine{Engine: ckpt.Engine{Rock: version, Getenv: os.Getenv}})
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	if _, told := errors.AsType[*toldError](err); !told {
		fmt.Fprintf(os.Stderr, "rockctl: %v\n", err)
	}
	os.Exit(exitStatus(err))
}

// run runs the command line args. Signals are left alone, for those commands that have a use for them.
func run(args []string, stdout, stderr io.Writer) error {
	root := newCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if _, ok := errors.AsType[*front.Failure](err); err != nil && !ok && cmd.Name() == "restore" {
		return &front.Failure{Status: 125, Reason: err.Error()} // 1 may be the status of what is restored
	}
	return err
}

// exitStatus returns the exit status that tells of an error.
func exitStatus(err error) int {
	if f, ok := errors.AsType[*front.Failure](err); ok {
		return f.Status
	}
	return 1
}

// toldError is a failure of which the output tells already.
type toldError struct{ what string }

func (e *toldError) Error() string { return e.what }
