package tests

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"rock/tests/harness"
)

// terminal is a program on a pseudo-terminal of 24 lines, and who types there.
type terminal struct {
	master *os.File
	proc   *harness.Proc

	mu   sync.Mutex
	text string // all that has been shown
	seen int    // how much of it has been expected
}

// startTerminal starts a program in a session of its own, with the terminal as its
// controlling one.
func startTerminal(t *testing.T, spec harness.Spec) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	term := &terminal{master: master}
	spec.Tty = slave
	spec.Env = append(spec.Env, "TERM=xterm")
	spec.Attr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	term.proc = spec.Start(t)
	go term.read()
	return term
}

func (term *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := term.master.Read(buf)
		term.mu.Lock()
		term.text += string(buf[:n])
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// typed types text.
func (term *terminal) typed(t *testing.T, text string) {
	t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// press types a key until the terminal shows a text. A key that is typed before the
// shell has handed the terminal to the job does not reach the job.
func (term *terminal) press(t *testing.T, key, text string) {
	t.Helper()
	deadline := time.Now().Add(harness.Patience)
	for !term.shows(text) {
		if time.Now().After(deadline) {
			break // expect says what is there instead
		}
		term.typed(t, key)
		for again := time.Now().Add(time.Second); !term.shows(text) && time.Now().Before(again); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	term.expect(t, text)
}

// shows reports whether the terminal shows a text that was not expected yet.
func (term *terminal) shows(text string) bool {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.Contains(term.text[term.seen:], text)
}

// expect waits until text is shown after what was expected before.
func (term *terminal) expect(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(harness.Patience)
	for {
		term.mu.Lock()
		rest := term.text[term.seen:]
		at := strings.Index(rest, text)
		if at >= 0 {
			term.seen += at + len(text)
		}
		term.mu.Unlock()
		if at >= 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the terminal does not show %q but %q", text, rest)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
