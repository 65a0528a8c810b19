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

	"rock/ckpt"
	"rock/migrate"
	"rock/rocks/group/front"
	"rock/rocks/group/stages"
)

func main() {
	stages.Main(migrate.Engine{Engine: ckpt.Engine{Rock: version, Getenv: os.Getenv}})
	// What did not run the command says why; what did says nothing more.
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "rock: %v\n", err)
		os.Exit(exitStatus(err))
	}
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
