package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// setFlag adds the option --set to a command, which then takes one argument less.
func setFlag(cmd *cobra.Command, set *string, usage string) {
	cmd.Flags().StringVar(set, "set", "", usage)
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if *set != "" {
			given = append([]string{*set}, given...)
		}
		return args(cmd, given)
	}
}

// together performs an operation on the members of a set at once, in steps, and returns one error that
// tells what has become of each that failed.
func together(cmd *cobra.Command, members []*group.Group, op func(ctx context.Context, i int, t group.Talk) error) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	p := newProgress(cmd.ErrOrStderr())
	errs := group.Together(ctx, len(members), group.Steps(), func(ctx context.Context, i int, answer func(context.Context, group.Question) (string, error)) error {
		return op(ctx, i, group.Talk{Progress: p.show, Answer: answer})
	})
	p.end()
	return setError(members, errs)
}

// setMembers returns the groups of a set.
func setMembers(ctx context.Context, set string) ([]*group.Group, error) {
	groups, err := listGroups(ctx)
	if err != nil {
		return nil, err
	}
	return group.Set(groups, set)
}

// setError joins what went wrong. Those that only followed others are named, so that it is known that they go on.
func setError(members []*group.Group, errs []error) error {
	var failed []error
	var followed []string
	for i, err := range errs {
		switch {
		case err == nil:
		case group.GivenUpForOthers(err):
			followed = append(followed, members[i].Name)
		default:
			failed = append(failed, fmt.Errorf("%s: %w", members[i].Name, err))
		}
	}
	if len(followed) > 0 {
		failed = append(failed, fmt.Errorf("given up with that, so that they go on: %s", strings.Join(followed, ", ")))
	}
	return errors.Join(failed...)
}
