package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CRIU is a program in the place of CRIU that does harm when it is told to, and is CRIU itself else.
type CRIU struct {
	path   string
	killer *killer // nil: none is at work
}

// NewCRIU makes one. A rock or rockctl uses it if its environment has Env.
func NewCRIU(t testing.TB) *CRIU {
	t.Helper()
	const real = "/opt/rock/criu/bin/criu"
	criu := real
	if _, err := os.Stat(real); err != nil {
		criu = "criu"
	}
	c := &CRIU{path: filepath.Join(TempDir(t), "criu")}
	script := `#!/bin/sh
harm=$(cat "$0.harm" 2>/dev/null)
set -- "$0" "$@"
echo $$ >"$1.draft"; mv "$1.draft" "$1.began"
case $harm in
hang) exec sleep 1000 ;;
kill*) # after something else; by no child of CRIU, which waits for all of its children
	(
		(eval "${harm#kill }"; kill -KILL $$) 2>/dev/null 3>&- &
	) ;;
fill*) # what is free on a file system but for so many KiB
	place=${harm#fill }; leave=${place%% *}; place=${place#* }
	free=$(df --output=avail -k "$place" | tail -n 1)
	fallocate -l $(((free - leave) * 1024)) "$place/fill" ;;
esac
shift
exec ` + criu + ` "$@"
`
	if err := os.WriteFile(c.path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stopKiller)
	return c
}

// Env is an entry of an environment.
func (c *CRIU) Env() string { return "ROCK_CRIU=" + c.path }

// Hang makes it do nothing, for ever.
func (c *CRIU) Hang(t testing.TB) { c.harm(t, "hang") }

// Kill makes it die some time after its start.
func (c *CRIU) Kill(t testing.TB, after time.Duration) {
	c.harm(t, fmt.Sprintf("kill sleep %.3f", after.Seconds()))
}

// KillWhen makes it die when there is a file.
func (c *CRIU) KillWhen(t testing.TB, file string) {
	c.harm(t, fmt.Sprintf("kill until [ -e %s ] || [ ! -d /proc/$$ ]; do :; done", file))
}

// Fill makes it leave so many KiB of room in the file system of a directory.
func (c *CRIU) Fill(t testing.TB, dir string, leave int) {
	c.harm(t, fmt.Sprintf("fill %d %s", leave, dir))
}

// Heal makes it CRIU again.
func (c *CRIU) Heal(t testing.TB) { c.harm(t, "") }

func (c *CRIU) harm(t testing.TB, text string) {
	t.Helper()
	c.stopKiller()
	os.Remove(c.path + ".began")
	if err := os.WriteFile(c.path+".harm", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// WaitBegan waits until it is started.
func (c *CRIU) WaitBegan(t testing.TB) {
	t.Helper()
	Until(t, "CRIU started", func() bool {
		_, err := os.Stat(c.path + ".began")
		return err == nil
	})
}
