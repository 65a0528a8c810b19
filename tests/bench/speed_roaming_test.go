package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"rock/tests/harness"
	"rock/tests/lab"
)

const moshName = "mosh"

// roamingTrials: a shell on another host whose client gets another address, after a time without any. Until a key is echoed.
func roamingTrials() []*trial {
	return []*trial{{
		Name: "roaming, a key in a shell", absolute: true, Metrics: []metric{{"ms until echo", "%.0f"}, {"p50 ms before", "%.2f"}},
		Variants: []*variant{
			{Name: "ssh under rock", measure: func(t testing.TB) []float64 { return roam(t, startSSHShell) }},
			{Name: moshName, measure: func(t testing.TB) []float64 { return roam(t, startMoshShell) }},
		},
	}}
}

// startSSHShell starts ssh on A, and on B a program that sends back what comes, on the terminal.
func startSSHShell(t testing.TB, l *lab.Lab, tty *os.File) {
	s := harness.StartSSH(t, l.B, harness.Rock)
	harness.Spec{Host: l.A, Side: harness.Rock, Tty: tty, Argv: s.Client("ssh", "-tt", "server", "stty -echo raw; echo ready; exec cat")}.Start(t)
}

// startMoshShell does the same by mosh, without its guesses of what the echo will be.
func startMoshShell(t testing.TB, l *lab.Lab, tty *os.File) {
	server := harness.Spec{Host: l.B, Env: []string{"LC_ALL=C.UTF-8"}, Argv: []string{"mosh-server", "new", "-v", "-i", l.B.Addr(1).String(), "-p", "60001", "--", "sh", "-c", "stty -echo raw; echo ready; exec cat"}}.Start(t)
	m := server.WaitOutput(t, `MOSH CONNECT (\d+) (\S+)`)
	harness.Spec{Host: l.A, Tty: tty, Env: []string{"MOSH_KEY=" + m[2], "MOSH_PREDICTION_DISPLAY=never", "LC_ALL=C.UTF-8", "TERM=xterm"},
		Argv: []string{"mosh-client", l.B.Addr(1).String(), m[1]}}.Start(t)
}

// roam measures one of them.
func roam(t testing.TB, start func(t testing.TB, l *lab.Lab, tty *os.File)) []float64 {
	l := lab.New(t, lab.OnePath)
	ours, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); tty.Close() })
	_ = pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80})
	screen := watch(ours)
	start(t, l, tty)
	screen.await(t, "ready")
	time.Sleep(time.Second)
	before := make([]float64, 21)
	for i := range before {
		typed := time.Now()
		before[i] = float64(key(t, ours, screen, i).Sub(typed).Microseconds()) / 1000
		time.Sleep(50 * time.Millisecond) // as fast as a person types
	}
	l.A.Unplug(1)
	time.Sleep(3 * time.Second)
	l.A.ChangeAddr(1)
	up := l.A.Plug(1)
	echoed := key(t, ours, screen, len(before))
	return []float64{float64(echoed.Sub(up).Microseconds()) / 1000, newSpread(before).Median}
}

// key types one, waits until it is seen, and says when that was. What the keys are makes them differ from one another.
func key(t testing.TB, tty *os.File, s *terminal, n int) time.Time {
	t.Helper()
	k := string(rune('A' + n))
	if _, err := fmt.Fprint(tty, k); err != nil {
		t.Fatal(err)
	}
	s.await(t, k)
	return time.Now()
}

// terminal is what a program has written to one.
type terminal struct {
	mu   sync.Mutex
	more *sync.Cond
	text bytes.Buffer
	err  error
}

func watch(f *os.File) *terminal {
	s := &terminal{}
	s.more = sync.NewCond(&s.mu)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.err = err
			s.mu.Unlock()
			s.more.Broadcast()
			if err != nil {
				return
			}
		}
	}()
	return s
}

var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][0-9A-B])`)

// await waits until a text is there, behind what was awaited before.
func (s *terminal) await(t testing.TB, text string) {
	t.Helper()
	late := false
	timer := time.AfterFunc(harness.Patience, func() { s.mu.Lock(); late = true; s.mu.Unlock(); s.more.Broadcast() })
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		seen := escapes.ReplaceAll(s.text.Bytes(), nil)
		if at := bytes.Index(seen, []byte(text)); at >= 0 {
			s.text.Reset()
			return
		}
		if late || s.err != nil {
			t.Fatalf("no %q on the terminal (%v), but %q", text, s.err, seen)
		}
		s.more.Wait()
	}
}
