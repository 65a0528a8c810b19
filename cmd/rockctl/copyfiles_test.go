package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"rock/rocks/group"
)

func TestCopyFilesFlag(t *testing.T) {
	for _, tt := range []struct {
		args  string
		on    bool
		paths []string
		rest  string
	}{
		{"job host", false, nil, "job host"},
		{"--copy-files job host", true, nil, "job host"},
		{"--copy-files=a,/b/c job host", true, []string{"a", "/b/c"}, "job host"},
		{"--copy-files=a --copy-files --copy-files=b job host", true, []string{"a", "b"}, "job host"},
	} {
		var o group.MigrateOptions
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		copyFilesFlag(f, &o)
		if err := f.Parse(strings.Fields(tt.args)); err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		if o.CopyFiles != tt.on || !slices.Equal(o.CopyPaths, tt.paths) || strings.Join(f.Args(), " ") != tt.rest {
			t.Errorf("%s: got %v, %q, %q", tt.args, o.CopyFiles, o.CopyPaths, f.Args())
		}
	}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	copyFilesFlag(f, &group.MigrateOptions{})
	if err := f.Parse([]string{"--copy-files=a,,b"}); err == nil || !strings.Contains(err.Error(), "a path is empty") {
		t.Errorf("got %v", err)
	}
}
