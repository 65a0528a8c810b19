// Command rockctl operates groups: the commands that run under rock, with their connections.
//
// See rockctl --help, and package rocks/group for how a group is found and asked.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"rock/ckpt"
	"rock/rocks/group/stages"
)

func main() {
	stages.Main(ckpt.Engine{Rock: version, Getenv: os.Getenv})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var told *toldError
	if err != nil && !errors.As(err, &told) {
		fmt.Fprintf(os.Stderr, "rockctl: %v\n", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

// run runs the command line args.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd.ExecuteContext(ctx)
}

// toldError is a failure of which the output tells already.
type toldError struct{ what string }

func (e *toldError) Error() string { return e.what }
