package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tap stops the transport of one migration at an exact moment: see tests/programs/tap.
type Tap struct {
	file  string
	words []string
}

// NewTap makes one that stops when the first frame of a kind comes from an end, as "source:commit" says: before it is passed
// on, or after that.
func NewTap(t testing.TB, where string, after bool) *Tap {
	t.Helper()
	p := &Tap{file: filepath.Join(TempDir(t), "reached")}
	p.words = []string{Program(t, "tap")}
	if after {
		p.words = append(p.words, "-after")
	}
	p.words = append(p.words, where, p.file)
	return p
}

// Exec is the option of rockctl migrate that has it reach a host through the tap. receive is from Receive; its errors
// do not come to rockctl, which may end before it, but to Errors.
func (p *Tap) Exec(receive string) string {
	return "--exec=" + strings.Join(p.words, " ") + " " + receive + " 2>>" + p.file + ".errors"
}

// Errors is what rockctl receive has written to standard error.
func (p *Tap) Errors() string {
	text, _ := os.ReadFile(p.file + ".errors")
	return strings.TrimSpace(string(text))
}

// WaitReached waits until the transport has stopped.
func (p *Tap) WaitReached(t testing.TB) {
	t.Helper()
	Until(t, "the moment of "+strings.Join(p.words[1:], " "), func() bool {
		_, err := os.Stat(p.file)
		return err == nil
	})
}

// Pass lets it go on.
func (p *Tap) Pass(t testing.TB) { p.then(t, "pass") }

// Freeze lets nothing pass any more, as if the network swallowed everything.
func (p *Tap) Freeze(t testing.TB) { p.then(t, "freeze") }

// Drop breaks the connection.
func (p *Tap) Drop(t testing.TB) { p.then(t, "drop") }

func (p *Tap) then(t testing.TB, word string) {
	t.Helper()
	// At once with its content.
	draft := p.file + ".draft"
	if err := os.WriteFile(draft, []byte(word), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, p.file+".then"); err != nil {
		t.Fatal(err)
	}
}
