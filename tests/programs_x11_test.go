package tests

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// An xterm shows on an X server elsewhere, before and after its address changed,
// what the program in it writes. What is shown is looked at on the server's host.
func TestX11Terminal(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		harness.StartX(t, l.B, s)
		display := []string{"DISPLAY=" + harness.Display(l.B)}
		look := func(argv ...string) string {
			return harness.Spec{Host: l.B, Argv: argv, Env: display}.Output(t)
		}
		shot := func() string { return fmt.Sprintf("%x", sha256.Sum256([]byte(look("xwd", "-root")))) }
		empty := shot()

		pipe := filepath.Join(harness.TempDir(t), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		shown, err := os.OpenFile(pipe, os.O_RDWR, 0) // both, so that nobody waits for anybody
		if err != nil {
			t.Fatal(err)
		}
		defer shown.Close()
		xterm := harness.Spec{Host: l.A, Side: s, Env: display,
			Argv: []string{"xterm", "-uc", "-geometry", "60x20+10+10", "-T", "tested", "-e", "cat", pipe}}.Start(t)
		harness.Until(t, "the xterm's window", func() bool {
			return strings.Contains(look("xwininfo", "-root", "-tree"), `"tested"`)
		})
		harness.Until(t, "the window on the screen", func() bool { return shot() != empty })
		for i, text := range []string{"before the change\r\n", "after the change\r\n"} {
			if i == 1 {
				cutUnderRock(l, s)
			}
			before := settled(shot)
			shown.WriteString(text)
			harness.Until(t, "the text in the window", func() bool { return shot() != before })
		}
		xterm.Stop(t)
		harness.Until(t, "the window gone", func() bool {
			return !strings.Contains(look("xwininfo", "-root", "-tree"), `"tested"`)
		})
	})
}

// settled is what the screen shows when it no longer changes.
func settled(shot func() string) string {
	before := shot()
	for {
		time.Sleep(100 * time.Millisecond)
		now := shot()
		if now == before {
			return now
		}
		before = now
	}
}
