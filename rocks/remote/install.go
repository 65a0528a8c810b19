package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// machines are the kinds of host for which this program's rockd is, as uname -sm says.
var machines = map[string]string{"amd64": "Linux x86_64", "arm64": "Linux aarch64"}

// install copies the rockd of this host there, for the user alone.
func install(ctx context.Context, s ssh, kind string) error {
	if want := machines[runtime.GOARCH]; kind != want {
		return fmt.Errorf("--install: %s is %s, and rockd here is for %s: install rock there", s.host, kind, want)
	}
	path, err := findRockdHere()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--install: %w", err)
	}
	defer f.Close()
	cmd := s.command(s.sharing(), `set -e; d=$HOME/.local/bin; mkdir -p "$d"; t=$d/.rockd.$$; trap 'rm -f "$t"' EXIT; `+
		`cat >"$t"; chmod 755 "$t"; mv "$t" "$d/rockd"`)
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = f, &complaint
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("--install: start ssh: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("--install: copy rockd to %s: %w: %s", s.host, err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// findRockdHere returns the rockd beside this program, or else the one in PATH.
func findRockdHere() (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), "rockd")
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path, nil
		}
	}
	path, err := exec.LookPath("rockd")
	if err != nil {
		return "", errors.New("--install: there is no rockd here, beside rock or in PATH")
	}
	return path, nil
}
