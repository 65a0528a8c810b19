package harness

import (
	"encoding/json"
	"strings"
	"testing"

	"rock/tests/lab"
)

// Report is what rockctl migrate --json prints.
type Report struct {
	Group, Name, From, To, Host      string
	TotalUS                          int64 `json:"total_us"`
	FrozenUS                         int64 `json:"frozen_us"`
	QuiesceUS                        int64 `json:"quiesce_us"`
	CRIUUS                           int64 `json:"criu_us"`
	Bytes                            int64
	SentBytes                        int64 `json:"sent_bytes"`
	PrecopiedBytes                   int64 `json:"precopied_bytes"`
	RecalledBytes                    int64 `json:"recalled_bytes"`
	Rounds                           int
	Pages, Processes, Rocks, Sockets int64
	DrainedBytes                     int64 `json:"drained_bytes"`
	Files                            json.RawMessage
	Warnings                         []string
}

// Migrate is the command line that moves a group from one host to another. The group is one that was started with a Name.
func Migrate(t testing.TB, from, to *lab.Host, name string, options ...string) Spec {
	t.Helper()
	argv := append([]string{Program(t, "rockctl"), "migrate", "--json", "--exec", Receive(t, to)}, options...)
	return Spec{Host: from, Argv: append(argv, name, to.Addr(1).String())}
}

// Receive is the command by which a host receives a group that comes from another.
func Receive(t testing.TB, to *lab.Host) string {
	return strings.Join([]string{Remote(t, to), "ROCK_RUNTIME_DIR=" + RuntimeDir(to, ""), Program(t, "rockctl"), "receive"}, " ")
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

// Arrive waits until the group is on the other host. Its command on the first host has ended by that.
func (j *Journey) Arrive(t testing.TB) Report {
	t.Helper()
	p := j.proc
	from := p.spec.Host
	res := j.command.WaitFor(t, 2*Patience)
	if res.Code != 0 {
		t.Fatalf("move of %s from %s to %s: exit status %d\n%s%s", p.spec.Name, from.Name, j.to.Name, res.Code, res.Stdout, res.Stderr)
	}
	var r Report
	if err := json.Unmarshal([]byte(res.Stdout), &r); err != nil {
		t.Fatalf("rockctl migrate --json: %v\n%s", err, res.Stdout)
	}
	p.spec.Host = j.to
	if front := p.Wait(t); front.Code != 137 {
		t.Errorf("the command that has moved from %s to %s: exit status %d, want 137\n%s", from.Name, j.to.Name, front.Code, front.Stderr)
	}
	p.moved = true
	if r.Name != p.spec.Name || r.To != j.to.Addr(1).String() || r.FrozenUS <= 0 || r.TotalUS < r.FrozenUS {
		t.Errorf("move of %s from %s to %s: the report is %s", p.spec.Name, from.Name, j.to.Name, res.Stdout)
	}
	t.Logf("%s moved from %s to %s: frozen for %.1f of %.1f ms, %.1f MB, %.1f MB sent", p.spec.Name, from.Name, j.to.Name,
		float64(r.FrozenUS)/1e3, float64(r.TotalUS)/1e3, float64(r.Bytes)/1e6, float64(r.SentBytes)/1e6)
	return r
}

// Move moves the group of a program, which Travels, to another host.
func (p *Proc) Move(t testing.TB, to *lab.Host, options ...string) Report {
	t.Helper()
	return p.Depart(t, to, options...).Arrive(t)
}
