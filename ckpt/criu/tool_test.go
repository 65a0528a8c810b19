package criu

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, plain, path := file("good", 0o755), file("plain", 0o644), file("path", 0o755)
	none := filepath.Join(dir, "none")
	tests := []struct {
		name, env, installed, path, want string
		missing                          string
	}{
		{"variable first", good, path, path, good, ""},
		{"variable wrong", none, path, path, "", "$ROCK_CRIU"},
		{"variable not executable", plain, path, path, "", "not an executable file"},
		{"variable a directory", dir, path, path, "", "not an executable file"},
		{"installed second", "", good, path, good, ""},
		{"path last", "", none, path, path, ""},
		{"nothing", "", none, "", "", "not found"},
	}
	for _, tt := range tests {
		tool, err := find(func(name string) string {
			if name == "ROCK_CRIU" {
				return tt.env
			}
			return ""
		}, tt.installed, func(name string) (string, error) {
			if tt.path == "" {
				return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
			}
			return tt.path, nil
		})
		if tt.missing == "" {
			if err != nil || tool.Path != tt.want {
				t.Errorf("%s: %q, %v, want %q", tt.name, tool.Path, err, tt.want)
			}
			continue
		}
		if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), tt.missing) ||
			!strings.Contains(err.Error(), "run scripts/setup, or set ROCK_CRIU") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestVersion(t *testing.T) {
	v, err := fake(t, "version").Version(t.Context())
	if err != nil || v != (Version{4, 2, 1}) || v.String() != "4.2.1" {
		t.Errorf("Version = %v, %v", v, err)
	}
	if s := (Version{4, 2, 0}).String(); s != "4.2" {
		t.Errorf("String = %q", s)
	}
	if _, err := fake(t, "eof").Version(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("Version of a CRIU that says nothing: %v", err)
	}
}

func TestFits(t *testing.T) {
	tests := []struct {
		version Version
		kernel  string
		want    string // in the error, "" if it fits
	}{
		{Version{3, 17, 1}, "6.1.0-18-amd64", "tested"},
		{Version{3, 17, 1}, "6.13.0", "vDSO"},
		{Version{4, 0, 0}, "6.13", "vDSO"},
		{Version{4, 1, 0}, "6.13.1", ""},
		{Version{4, 1, 1}, "6.15.9", ""},
		{Version{4, 1, 1}, "6.16.0-rc1", "SO_PASSCRED"},
		{Version{4, 1, 1}, "7.0.0", "SO_PASSCRED"},
		{Version{4, 2, 0}, "6.18.5", ""},
		{Version{5, 0, 0}, "7.1.0", ""},
		{Version{4, 1, 1}, "5.10.0", ""},
		{Version{4, 1, 1}, "strange", ""},
	}
	for _, tt := range tests {
		err := fits(tt.version, tt.kernel)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("fits(%v, %s) = %v, want %q", tt.version, tt.kernel, err, tt.want)
		}
	}
}
