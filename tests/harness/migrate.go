package harness

import (
	"encoding/json"
	"strings"
	"testing"

	"rock/tests/lab"
)

// Report is what rockctl migrate --json prints.
type Report struct {
	Group, Name                      string
	From, Host                       string // as the hosts call themselves
	To                               string // as it was given
	DryRun                           bool   `json:"dry_run"`
	TotalUS                          int64  `json:"total_us"`
	FrozenUS                         int64  `json:"frozen_us"`
	QuiesceUS                        int64  `json:"quiesce_us"`
	CRIUUS                           int64  `json:"criu_us"`
	Bytes                            int64
	SentBytes                        int64 `json:"sent_bytes"`
	PrecopiedBytes                   int64 `json:"precopied_bytes"`
	RecalledBytes                    int64 `json:"recalled_bytes"`
	Rounds                           int
	Pages, Processes, Rocks, Sockets int64
	DrainedBytes                     int64 `json:"drained_bytes"`
	Files                            json.RawMessage
	Problems, Warnings               []string
}

// Migrate is the command line that moves a group from one host to another. The group is one that was started with a Name. What its
// new supervisor writes to its log is shown if the test fails.
func Migrate(t testing.TB, from, to *lab.Host, name string, options ...string) Spec {
	t.Helper()
	log := newLog(RuntimeDir(to, ""))
	argv := append([]string{Program(t, "rockctl"), "migrate", "--json", "--exec", Receive(t, to) + " --log " + log}, options...)
	return Spec{Host: from, Argv: append(argv, name, to.Addr(1).String()), log: log}
}

// Receive is the command by which a host receives a group that comes from another.
func Receive(t testing.TB, to *lab.Host) string {
	t.Helper()
	return Remote(t, to) + " ROCK_RUNTIME_DIR=" + RuntimeDir(to, "") + " " + Program(t, "rockctl") + " receive"
}

// Journey is a migration that is under way.
type Journey struct {
	proc    *Proc
	to      *lab.Host
	command *Proc
}

// Depart begins to move the group of a program, which Travels, to another host.
func (p *Proc) Depart(t testing.TB, to *lab.Host, options ...string) *Journey {
	t.Helper()
	return &Journey{p, to, Migrate(t, p.spec.Host, to, p.spec.Name, options...).Start(t)}
}

// Arrive waits until the group is on the other host, and its command on the first has ended by that.
func (j *Journey) Arrive(t testing.TB) Report {
	t.Helper()
	p, from := j.proc, j.proc.spec.Host
	res := j.command.WaitFor(t, 2*Patience)
	for tries := 3; res.Code != 0 && tries > 0 && strings.Contains(res.Stderr, "silent"); tries-- {
		t.Logf("the machine is too busy: %s", res.Stderr) // the group goes on, and so can go at another time
		res = j.command.spec.Start(t).WaitFor(t, 2*Patience)
	}
	if res.Code != 0 {
		t.Fatalf("move of %s from %s to %s: exit status %d\n%s%s", p.spec.Name, from.Name, j.to.Name, res.Code, res.Stdout, res.Stderr)
	}
	p.spec.Host = j.to
	p.Stopped(t)
	r := reported(t, res)
	if r.Name != p.spec.Name || r.From != from.Name || r.Host != j.to.Name || r.To != j.to.Addr(1).String() || r.DryRun ||
		r.FrozenUS <= 0 || r.TotalUS < r.FrozenUS || r.SentBytes <= 0 || len(r.Problems) > 0 {
		t.Errorf("move of %s from %s to %s: the report is %s", p.spec.Name, from.Name, j.to.Name, res.Stdout)
	}
	t.Logf("%s moved from %s to %s: still for %.0f of %.0f ms, %.1f MB, %.1f MB sent; %s", p.spec.Name, from.Name, j.to.Name,
		float64(r.FrozenUS)/1e3, float64(r.TotalUS)/1e3, float64(r.Bytes)/1e6, float64(r.SentBytes)/1e6, strings.Join(r.Warnings, ", "))
	return r
}

// reported is what a rockctl migrate has reported.
func reported(t testing.TB, res Result) (r Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(res.Stdout), &r); err != nil {
		t.Fatalf("rockctl migrate --json: %v\n%s%s", err, res.Stdout, res.Stderr)
	}
	return r
}

// DryRun only looks whether a group could move, and returns what stands in its way.
func DryRun(t testing.TB, from, to *lab.Host, name string, options ...string) []string {
	t.Helper()
	res := Migrate(t, from, to, name, append(options, "--dry-run")...).Run(t)
	r := reported(t, res)
	t.Logf("%s files, in the way: %s", r.Files, strings.Join(r.Problems, "\n"))
	if !r.DryRun || (res.Code == 0) != (len(r.Problems) == 0) {
		t.Errorf("rockctl migrate --dry-run: exit status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	return r.Problems
}

// Move moves the group of a program, which Travels, to another host.
func (p *Proc) Move(t testing.TB, to *lab.Host, options ...string) Report {
	t.Helper()
	return p.Depart(t, to, options...).Arrive(t)
}
