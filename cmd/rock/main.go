// Command rock runs a program with its TCP connections made reliable.
//
// See rock --help, and the packages rocks/group/front and rocks/group/supervise for how
// its processes work together.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"rock/rocks/group/front"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
)

func main() {
	if s, ok := stage.Current(); ok {
		os.Exit(runStage(s))
	}
	// What did not run the command says why; what did says nothing more.
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "rock: %v\n", err)
		os.Exit(exitStatus(err))
	}
}

// runStage is this program as one of its other processes.
func runStage(s stage.Stage) int {
	switch s.Kind {
	case stage.Supervisor:
		return supervise.Run(s.FD, os.Args[1:])
	case stage.Exec:
		return supervise.Exec(s.Arg, os.Args[1:], os.Stderr)
	case stage.Keeper:
		front.Keep(s.FD, s.Arg)
	}
	return 0
}

// run runs the command line args. If it runs the command it does not return: this process ends as
// the command did.
func run(args []string, stdout, stderr io.Writer) error {
	cmd := newCommand(func(o options) error { return o.run(stderr) })
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd.Execute()
}

// exitStatus returns the exit status that tells of an error.
func exitStatus(err error) int {
	var f *front.Failure
	if errors.As(err, &f) {
		return f.Status
	}
	return 125
}
