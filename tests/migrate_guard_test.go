package tests

import (
	"fmt"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// ticks is a program that shows that it lives.
const ticks = `
import itertools, time
for n in itertools.count():
	print("tick", n, "ends")
	time.sleep(0.02)
`

// The supervisor of a group is killed while it migrates, before it is decided where it lives: the group goes on at the source, as it does without
// a migration, whether it has a front or has moved before and has none.
func TestMigrateSupervisorLost(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	for _, detached := range []bool{false, true} {
		for i, p := range faultPoints {
			if p.name == "commit before" {
				break // from here on it is in the table
			}
			if p.name == "offer" || !detached && p.name == "complete" {
				continue // as verdict, and as ready
			}
			name := fmt.Sprintf("job%d%v", i, detached)
			program := harness.Spec{Host: l.B, Side: harness.Rock, Name: name, Travels: true,
				Argv: []string{harness.Python, "-uc", ticks, name}}.Start(t)
			program.WaitOutput(t, "tick 2 ends")
			at, to := l.B, l.C
			if detached {
				program.Move(t, l.C)
				at, to = to, at
			}
			tap := harness.NewTap(t, p.where, p.after)
			rockctl := harness.Migrate(t, at, to, name, tap.Exec(harness.Receive(t, to))).Start(t)
			tap.WaitReached(t)
			programs := harness.Named(at, "python3", name)
			if len(programs) != 1 {
				t.Fatalf("%s: the program is %v", p.name, programs)
			}
			harness.SupervisorFor(t, at, programs[0]).End(t)
			tap.Pass(t)
			if res := rockctl.Wait(t); res.Code == 0 {
				t.Errorf("%s, detached %v: exit status 0\n%s", p.name, detached, res.Stdout)
			}
			harness.Until(t, "one copy, and nobody of the migration", func() bool {
				others := 0
				for _, h := range []*lab.Host{at, to} {
					for _, name := range []string{"rock-guard", "criu", "rockctl", "tap"} {
						others += len(harness.Named(h, name, ""))
					}
				}
				return others == 0 && len(harness.Named(to, "python3", name)) == 0
			})
			var now int
			fmt.Sscan(program.LastOutput(`tick (\d+) ends`), &now)
			program.WaitOutput(t, fmt.Sprintf("tick %d ends", now+20))
			if len(harness.Named(at, "python3", name)) != 1 {
				t.Errorf("%s, detached %v: the program is not at the source", p.name, detached)
			}
			harness.Named(at, "python3", name)[0].Kill(t)
		}
	}
}
