package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rock/rocks/group"
)

// copyFilesFlag adds the option --copy-files, which may have a value.
func copyFilesFlag(f *pflag.FlagSet, o *group.MigrateOptions) {
	f.Var(&copyFiles{o}, "copy-files", "take along the files that the group has\nopen, and those at `[=PATH,...]`")
	f.Lookup("copy-files").NoOptDefVal = noPaths
}

// noPaths is what the option gets if it has no value.
const noPaths = "true"

// copyFiles is a pflag.Value.
type copyFiles struct{ o *group.MigrateOptions }

// Set adds paths. It may be called more than once.
func (c *copyFiles) Set(s string) error {
	c.o.CopyFiles = true
	if s == noPaths {
		return nil
	}
	for path := range strings.SplitSeq(s, ",") {
		if path == "" {
			return errors.New("a path is empty")
		}
		c.o.CopyPaths = append(c.o.CopyPaths, path)
	}
	return nil
}

func (c *copyFiles) String() string { return "" }

// Type makes the option one that pflag shows without a value of its own.
func (c *copyFiles) Type() string { return "bool" }

// putBackTime is how long it may take to have files put back.
const putBackTime = 10 * time.Second

// putFilesBack has the other host put back what files that came along have replaced, if it could not do that itself.
func (o *migrating) putFilesBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackTime)
	defer cancel()
	if _, err := o.transport.resolve(ctx, o.Token); err != nil {
		fmt.Fprintf(os.Stderr, "rockctl: %v; should it have died, it puts back the files that it had replaced when another group comes, or with: rockctl receive --resolve %s\n",
			err, o.Token)
	}
}
