package tests

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"rock/tests/harness"
	"rock/tests/lab"
)

// faultPoints are the moments of a migration at which somebody is harmed: when the first frame of a kind has come from an
// end, before or after it was passed on.
var faultPoints = []struct {
	name, where string
	after       bool
}{
	{"offer", "source:offer", false},
	{"verdict", "target:verdict", false},
	{"frozen", "source:file", false},
	{"complete", "source:complete", true},
	{"ready", "target:ready", false},
	{"commit before", "source:commit", false},
	{"commit after", "source:commit", true},
	{"done before", "target:done", false},
	{"done after", "target:done", true},
}

// Where the group lives after a fault. Anything else is why there is none.
const (
	here   = "here"   // at the source
	there  = "there"  // on the target
	either = "either" // in one of them
)

const (
	notYet = "it does not exist yet"
	over   = "it has done its work"
	unsafe = "who kills CRIU while code of its own is in the program kills that too"
)

// faultTable is who is harmed, how, and what comes of it at each of the faultPoints.
var faultTable = []struct {
	actor string
	harm  func(t *testing.T, f *faults)
	ends  [9]string
}{
	{"receive", killReceive, [...]string{here, here, here, here, here, here, either, over, over}},
	{"source supervisor", killSourceSupervisor, [...]string{here, here, here, here, here, there, there, there, there}},
	{"target supervisor", killTargetSupervisor, [...]string{notYet, notYet, notYet, here, here, here, either, there, there}},
	{"target CRIU", killTargetCRIU, [...]string{notYet, notYet, notYet, here, here, here, over, over, over}},
	{"source CRIU", killSourceCRIU, [...]string{notYet, notYet, unsafe, either, either, either, either, there, there}},
	{"connection drops", drop, [...]string{here, here, here, here, here, here, either, there, there}},
	{"connection swallows all", swallow, [...]string{here, here, here, here, here, here, either, there, over}},
	{"client is killed", killClient, [...]string{here, here, here, here, here, there, there, there, there}},
	{"client is interrupted", interruptClient, [...]string{here, here, here, here, here, there, there, there, there}},
}

// Whoever fails at whatever moment of a migration, there is one copy of the group afterwards. It has its connections, and
// nothing is left of the other. All faults of one actor come one after the other in the life of one group.
func TestMigrateFaults(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	for _, row := range faultTable {
		t.Run(row.actor, func(t *testing.T) {
			t.Parallel()
			f := newFaults(t)
			for i, p := range faultPoints {
				switch ends := row.ends[i]; ends {
				case here, there, either:
					f.try(t, p.name, harness.NewTap(t, p.where, p.after), row.harm, ends)
				default:
					t.Logf("%s: no test, as %s", p.name, ends)
				}
			}
			f.undisturbed(t)
			f.unswept = false // by the first migration to either host
			f.undisturbed(t)
			f.drafts = false // and from either
			f.undisturbed(t)
			f.tr.Finish(t)
		})
	}
}

// faults are migrations of the server of one transfer.
type faults struct {
	lab      *lab.Lab
	tr       *harness.Transfer
	at, to   *lab.Host // where the group is, and where it is to go
	cell     string    // name of its cgroup but for the end
	tap      *harness.Tap
	rockctl  *harness.Proc
	ends     string // here, there or either
	released bool   // the tap has been told how to go on
	unswept  bool   // an image may be left until the next migration
	drafts   bool   // and one of the source, until the next from there
	logs     bool   // and what CRIU has logged, as nothing else says what has become of it
}

func newFaults(t *testing.T) *faults {
	t.Helper()
	l := lab.New(t, lab.Apart)
	f := &faults{lab: l, at: l.B, to: l.C}
	f.tr = harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: transferRate / 60, ServerName: "job", Travels: true}.Start(t)
	f.tr.Flows(t)
	ls := harness.Spec{Host: l.B, Argv: []string{harness.Program(t, "rockctl"), "ls"}}.Output(t)
	id, _, _ := strings.Cut(strings.Split(ls, "\n")[1], " ")
	f.cell = "rock-" + id + "-"
	return f
}

// try has the group migrate, harms somebody when the tap is reached, and looks what comes of it.
func (f *faults) try(t *testing.T, point string, tap *harness.Tap, harm func(*testing.T, *faults), ends string) {
	t.Helper()
	f.tap, f.ends, f.released = tap, ends, false
	f.rockctl = harness.Migrate(t, f.at, f.to, "job", tap.Exec(harness.Receive(t, f.to))).Start(t)
	tap.WaitReached(t)
	began := time.Now()
	harm(t, f)
	if time.Since(began) > time.Second {
		f.unswept = true // on a busy machine the target may have given up, as nothing came
		if ends == there {
			ends = either
		}
	}
	if !f.released {
		tap.Pass(t)
	}
	res := f.rockctl.WaitFor(t, harness.Patience)
	f.tr.Flows(t)
	resumed := f.resumed(began)
	tap.Drop(t) // if it still swallows: the target should not wait for long
	moved := f.settle(t, point)
	if moved && ends == here || !moved && ends == there {
		t.Errorf("%s: the group is on %s, want: %s", point, f.at.Name, ends)
	}
	t.Logf("%s: on %s, which gave signs of life after %v; rockctl: exit status %d %s; receive: %s", point, f.at.Name, resumed, res.Code,
		strings.TrimSpace(res.Stderr), tap.Errors())
	f.tr.Flows(t)
}

// undisturbed has the group migrate to show that it still can.
func (f *faults) undisturbed(t *testing.T) {
	t.Helper()
	harness.Migrate(t, f.at, f.to, "job").Output(t)
	if !f.settle(t, "undisturbed") {
		t.Errorf("an undisturbed migration has left the group on %s", f.at.Name)
	}
	f.tr.Flows(t)
}

// resumed is how long after a moment the group has gone on.
func (f *faults) resumed(began time.Time) time.Duration {
	for _, e := range f.tr.Events(f.tr.Server) {
		if e.Event == "gap" && e.At().After(began) {
			return e.At().Sub(began).Round(time.Millisecond)
		}
	}
	return 0
}

// settle waits until all that had a part in a migration has ended, and there is one copy of the group and nothing else. It reports
// whether that is on the other host, which the next migration leaves then.
func (f *faults) settle(t *testing.T, point string) (moved bool) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(harness.Patience / 2); ; time.Sleep(20 * time.Millisecond) {
		now, good := f.look()
		if good {
			break
		}
		if last = now; time.Now().After(deadline) {
			t.Fatalf("%s: this is left:\n%s\n%s", point, last, f.tap.Errors())
		}
	}
	moved = len(harness.Named(f.to, "stream", "")) == 1
	if moved {
		f.at, f.to = f.to, f.at
	}
	return moved
}

// leftovers are names of files that must not be there after a migration.
var (
	leftDrafts  = ".rock-leave*"
	leftUnswept = "rock-migrate-*/image"
	leftLogs    = "rock-criu-*"
)

// look says what there is of the group and its migrations, and whether that is as it should be.
func (f *faults) look() (all string, good bool) {
	var list []string
	streams, others := 0, 0
	for _, h := range []*lab.Host{f.at, f.to} {
		for _, p := range harness.Processes(h) {
			switch p.Name {
			case "stream":
				streams++
			case "rockctl", "criu", "tap", "door", "rock-guard":
				others++
			case "unshare", "bash":
				continue // the host itself
			}
			list = append(list, fmt.Sprintf("%s: %d %s %q", h.Name, p.Pid, p.Name, p.Args))
		}
		var files []string
		if !f.drafts {
			files = append(files, harness.RuntimeFiles(h, leftDrafts)...)
		}
		if !f.unswept {
			files = append(files, harness.RuntimeFiles(h, leftUnswept)...)
		}
		if !f.logs {
			files = append(files, harness.RuntimeFiles(h, leftLogs)...)
		}
		others += len(files)
		list = append(list, files...)
	}
	cells := harness.Cells(f.cell)
	return strings.Join(append(list, cells...), "\n"), streams == 1 && others == 0 && len(cells) == 1
}

// The harm that is done.

func killReceive(t *testing.T, f *faults) {
	for _, p := range harness.Named(f.to, "rockctl", "receive") { // after commit it may have ended
		p.Kill(t)
	}
	f.unswept = true
}

func killSourceSupervisor(t *testing.T, f *faults) {
	harness.Until(t, "the supervisor on the source", func() bool {
		runs := harness.Named(f.at, "stream", "")
		if len(runs) == 0 {
			return true // after done it has ended
		}
		p, ok := harness.FindSupervisor(f.at, runs[0])
		if ok {
			p.End(t)
		}
		return ok
	})
	f.drafts, f.logs, f.unswept = true, true, true
}

func killTargetSupervisor(t *testing.T, f *faults) {
	f.logs = true
	harness.Until(t, "the supervisor on the target", func() bool {
		receive := harness.Named(f.to, "rockctl", "receive") // after done it may have ended
		runs := harness.Named(f.to, "stream", "")
		for _, p := range harness.Named(f.to, "rock-supervisor", "") {
			if len(receive) == 1 && p.Parent == receive[0].Pid || len(runs) == 1 && p.Pid == runs[0].Parent {
				p.End(t)
				return true
			}
		}
		return false
	})
}

func killTargetCRIU(t *testing.T, f *faults) {
	f.logs = true
	f.await(t, f.to, "criu", "").Kill(t)
}

// Processes that CRIU has left when it had written everything must not run before it is decided where they live.
func killSourceCRIU(t *testing.T, f *faults) {
	f.logs = true
	programs := harness.Named(f.at, "stream", "")
	for _, p := range harness.Named(f.at, "criu", "") {
		p.Kill(t)
	}
	harness.Until(t, "the end of CRIU", func() bool { return len(harness.Named(f.at, "criu", "")) == 0 })
	for _, p := range programs {
		time.Sleep(50 * time.Millisecond) // its threads go from CRIU's hands into the freezer
		before := p.Switches()
		time.Sleep(100 * time.Millisecond)
		if after := p.Switches(); after > before {
			t.Errorf("the program has run at the source while it was sent: %d switches", after-before)
		}
	}
}

func drop(t *testing.T, f *faults) {
	f.tap.Drop(t)
	f.released, f.unswept = true, true // it is kept for the case that the source is lost for good
}

func swallow(t *testing.T, f *faults) {
	f.tap.Freeze(t)
	f.released, f.unswept = true, true
}

func killClient(t *testing.T, f *faults) { f.signalClient(t, syscall.SIGKILL) }

func interruptClient(t *testing.T, f *faults) { f.signalClient(t, syscall.SIGINT) }

// signalClient returns when the supervisor has heard of it, if that makes a difference.
func (f *faults) signalClient(t *testing.T, sig syscall.Signal) {
	t.Helper()
	f.rockctl.Signal(t, sig)
	if f.ends == here {
		harness.Until(t, "the migration given up", func() bool { return f.state(t) != "migrating" })
	}
}

// await waits for a process.
func (f *faults) await(t *testing.T, h *lab.Host, name, word string) (p harness.Process) {
	t.Helper()
	harness.Until(t, name+" on "+h.Name, func() bool {
		found := harness.Named(h, name, word)
		if len(found) == 1 {
			p = found[0]
		}
		return len(found) == 1
	})
	return p
}
