// Package stages makes a command able to be the other processes of rock: those that a front starts are its own program
// again (package stage).
package stages

import (
	"os"

	"rock/rocks/group/front"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
)

// Main is what main begins with in a command that has fronts. In a process that the user started it returns
// at once, in another it does what that one is for and ends it. c is for groups that are checkpointable or restored.
func Main(c supervise.Checkpointer) {
	s, ok := stage.Current()
	if !ok {
		return
	}
	status := 0
	switch s.Kind {
	case stage.Supervisor:
		status = supervise.Run(s.FD, os.Args[1:], c)
	case stage.Heir:
		status = supervise.Inherit(s.FD, os.Args[1:], c)
	case stage.Exec:
		status = supervise.Exec(s.Arg, os.Args[1:], os.Stderr)
	case stage.Guard:
		status = supervise.Guard(s.FD, c)
	case stage.Keeper:
		front.Keep(s.FD, s.Arg)
	}
	os.Exit(status)
}
