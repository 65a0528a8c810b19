package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// generate runs rock with an option and returns what it writes.
func generate(t *testing.T, args ...string) string {
	t.Helper()
	cmd := newCommand(func(options) error {
		t.Fatal("a command was run")
		return nil
	})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestManualPage(t *testing.T) {
	dir := t.TempDir()
	generate(t, "--generate-man", dir)
	page, err := os.ReadFile(filepath.Join(dir, "rock.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH \"ROCK\" \"1\"", "--timeout", "exit status", "ROCK_RUNTIME_DIR"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("manual page does not have %q", want)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := generate(t, "--generate-completion", shell); !strings.Contains(got, "__complete") {
			t.Errorf("completion for %s does not ask rock: %.80q", shell, got)
		}
	}
	cmd := newCommand(func(options) error { return nil })
	cmd.SetArgs([]string{"--generate-completion", "tcsh"})
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "want bash, zsh or fish") {
		t.Errorf("error for tcsh: %v", err)
	}
}
