package once

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"rock/rocks"
)

// guests are the keys that are let in.
type guests struct {
	keys authorizedKeys

	mu      sync.Mutex
	lines   []string
	timers  []*time.Timer
	pending sync.WaitGroup // timers that run
	closed  bool
}

// once lets a key in from this host, for a short time: the user's ssh comes through this process.
func (g *guests) once(key string, sshd netip.Addr, now time.Time) error {
	line, err := g.add(key, []string{`from="` + sshd.String() + `"`}, now.Add(keyTime))
	if err != nil {
		return err
	}
	g.after(keyTime, func() { g.drop(line) })
	return nil
}

// attach lets a key in to start rockd attach and nothing else, for as long as the connection may need that. It is let in
// anew from time to time.
func (g *guests) attach(key string, port uint16, timeout time.Duration) error {
	if timeout == 0 {
		timeout = rocks.DefaultTimeout
	}
	command := fmt.Sprintf("%s attach %d", executable(), port)
	options := []string{"restrict", `command="` + strings.ReplaceAll(command, `"`, `\"`) + `"`}
	line, err := g.add(key, options, time.Now().Add(2*timeout))
	if err != nil {
		return err
	}
	g.after(timeout, func() {
		if g.attach(key, port, timeout) == nil {
			g.drop(line)
		}
	})
	return nil
}

func (g *guests) add(key string, options []string, until time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return "", errors.New("let a key in: rockd ends")
	}
	line, err := g.keys.add(key, options, newName(), until)
	if err == nil {
		g.lines = append(g.lines, line)
	}
	return line, err
}

func newName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// after runs f later, unless this closes before.
func (g *guests) after(d time.Duration, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.pending.Add(1)
	g.timers = append(g.timers, time.AfterFunc(d, func() {
		defer g.pending.Done()
		f()
	}))
}

// drop lets a key in no longer.
func (g *guests) drop(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.keys.remove(time.Now(), line) // else it expires
}

// close lets no key in any more.
func (g *guests) close(log *slog.Logger) {
	g.mu.Lock()
	g.closed = true
	for _, t := range g.timers {
		if t.Stop() {
			g.pending.Done()
		}
	}
	g.mu.Unlock()
	g.pending.Wait()
	if len(g.lines) == 0 {
		return
	}
	if err := g.keys.remove(time.Now(), g.lines...); err != nil {
		log.Warn("a key stays until it expires", "error", err)
	}
}
