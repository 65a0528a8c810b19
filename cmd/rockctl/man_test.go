package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	cmd := newCommand()
	cmd.SetArgs([]string{"generate-man", dir})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"rockctl.1", "rockctl-ls.1", "rockctl-conns.1", "rockctl-check.1",
		"rockctl-checkpoint.1", "rockctl-restore.1", "rockctl-inspect.1"} {
		if _, err := os.Stat(filepath.Join(dir, page)); err != nil {
			t.Error(err)
		}
	}
}
