package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/tests/harness"
	"rock/tests/lab"
)

// clocks writes what the clocks say that begin when a host does.
const clocks = `
import sys, time
out = open(sys.argv[1], "a")
while True:
    print(time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME), file=out, flush=True)
    time.sleep(0.01)
`

// A program moves to a host that was started later, and back: no clock of its goes back, or leaps.
func TestMigrateMonotonicClock(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil || now.Sec < 100 {
		t.Skip("this host was started just now")
	}
	l := lab.New(t, lab.Apart)
	out := filepath.Join(harness.TempDir(t), "clocks")
	if err := os.WriteFile(out, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := harness.Spec{Host: l.B, Side: harness.Rock, Name: "clocks", Travels: true, Argv: []string{"python3", "-c", clocks, out}}.Start(t)
	lines := func() []string {
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	runs := func() {
		n := len(lines())
		harness.Until(t, "the clocks on "+p.Host().Name, func() bool { return len(lines()) > n+20 })
	}
	runs()
	later := strconv.FormatInt(now.Sec/2, 10)
	for _, to := range []*lab.Host{l.C, l.B, l.C} {
		var options []string
		if to == l.C {
			receive := harness.Receive(t, to)
			at := strings.Index(receive, " ROCK_RUNTIME_DIR=")
			options = []string{"--exec", receive[:at] + " unshare --time --fork --monotonic -" + later + " --boottime -" + later + " env" + receive[at:]}
		}
		p.Move(t, to, options...)
		runs()
		// Is that host what it is to be? Its supervisor has no clock of its own, as the program has.
		offset := harness.Spec{Host: to, Argv: []string{"sh", "-c", "cat /proc/$(pgrep -x rock-supervisor | head -n 1)/timens_offsets"}}.Output(t)
		if to == l.C && !strings.Contains(offset, " -"+later+" ") {
			t.Errorf("the clocks of C are not late by %s s: %q", later, offset)
		}
	}
	var last [2]float64
	for i, line := range lines() {
		for c, text := range strings.Fields(line) {
			is, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			if step := is - last[c]; i > 0 && (step < 0 || step > 30) {
				t.Errorf("line %d: clock %d steps by %.3f s, from %.3f to %.3f", i+1, c, step, last[c], is)
			}
			last[c] = is
		}
	}
}
