package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A program waits in every way that there is for a socket: for bytes, for a connection, and for an address that
// does not answer. It is checkpointed like that, restored, and everything that it waited for comes.
func TestCheckpointBlocked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		side       harness.Side
		checkpoint func(t *testing.T, l *lab.Lab, p *harness.Proc) *harness.Proc
	}{
		{"plain", harness.Plain, func(_ *testing.T, _ *lab.Lab, p *harness.Proc) *harness.Proc { return p }},
		{"goes on", harness.Rock, func(t *testing.T, l *lab.Lab, p *harness.Proc) *harness.Proc {
			harness.Checkpoint(t, l.A, "job", harness.TempDir(t)+"/image", "-R").Output(t)
			return p
		}},
		{"restored", harness.Rock, func(t *testing.T, _ *lab.Lab, p *harness.Proc) *harness.Proc { return p.Away(t, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			harness.SkipUnlessPlain(t, tt.side)
			l := lab.New(t)
			server := harness.Spec{Host: l.B, Side: tt.side, Argv: []string{harness.Program(t, "waiters"), "-serve", "7000"}}.Start(t)
			harness.WaitListening(t, l.B, 7000)
			l.Swallow(2, true)
			client := harness.Spec{Host: l.A, Side: tt.side, Argv: []string{harness.Program(t, "waiters"),
				l.B.Addr(1).String(), "7000", l.B.Addr(2).String(), "7001"}}
			if tt.side == harness.Rock {
				client.Name = "job"
			}
			p := client.Start(t)
			server.WaitOutput(t, "3 connected")
			for _, name := range []string{"recv", "poll", "epoll", "accept", "connect", "nonblocking"} {
				tid := p.WaitOutput(t, `(?m)^`+name+` (\d+)$`)[1]
				harness.Until(t, name+" waits", func() bool { return sleeps(tid) })
			}

			p = tt.checkpoint(t, l, p)
			l.Swallow(2, false)
			fmt.Fprintln(server.Stdin, "go")
			for _, name := range []string{"recv", "poll", "epoll", "connect", "nonblocking"} {
				p.WaitOutput(t, name+" done")
			}
			got := harness.Spec{Host: l.C, Argv: []string{"nc", l.A.Addr(1).String(), "7001"}}.Output(t)
			if got != "!" {
				t.Errorf("who connected got %q", got)
			}
			if res := p.Wait(t); res.Code != 0 || strings.Contains(res.Stdout, "failed") {
				t.Errorf("exit status %d\n%s", res.Code, res.Stdout)
			}
		})
	}
}

// sleeps says whether a thread waits for something.
func sleeps(tid string) bool {
	stat, err := os.ReadFile("/proc/" + tid + "/stat")
	return err == nil && regexp.MustCompile(`\) S `).Match(stat)
}

// A periodic timer has run out, and its program has not read that yet. It runs on after a restore.
func TestCheckpointTimer(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	sign := filepath.Join(harness.TempDir(t), "go")
	p := harness.Spec{Host: l.A, Side: harness.Rock, Name: "job", Argv: []string{harness.Python, harness.Program(t, "timer.py"), sign}}.Start(t)
	p.WaitOutput(t, "ran out")
	p = p.Away(t, 0)
	if err := os.WriteFile(sign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.WaitOutput(t, "ran out again")
	if res := p.Wait(t); res.Code != 0 {
		t.Errorf("exit status %d\n%s", res.Code, res.Stderr)
	}
}
