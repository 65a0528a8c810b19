package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// migrateSet is the command line that moves all ranks of a host to another.
func migrateSet(t *testing.T, from, to *lab.Host, options ...string) harness.Spec {
	spec := harness.Migrate(t, from, to, "", options...)
	n := len(spec.Argv)
	spec.Argv = append(spec.Argv[:n-2:n-2], "--set", "rank", spec.Argv[n-1])
	return spec
}

// rockctl is a command line of rockctl on a host.
func rockctl(t *testing.T, h *lab.Host, args ...string) harness.Spec {
	return harness.Spec{Host: h, Argv: append([]string{harness.Program(t, "rockctl")}, args...),
		Env: []string{"TMPDIR=" + harness.TempDir(t)}}
}

// running counts those that run on a host.
func running(t *testing.T, h *lab.Host) int {
	t.Helper()
	return len(slices.DeleteFunc(groups(t, h), func(g listed) bool { return g.State != "running" }))
}

// A job of four ranks on two hosts moves to a third, one host after the other, and its ranks find each other there.
func TestSetMigrate(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	r := startRanks(t, harness.Rock, 400, true, l.A, l.B, l.A, l.B)
	for _, from := range []*lab.Host{l.A, l.B} {
		t.Log(migrateSet(t, from, l.C, "-l").Output(t))
		if n := running(t, from); n != 0 {
			t.Errorf("%d groups are left on %s", n, from.Name)
		}
	}
	if n := running(t, l.C); n != 4 {
		t.Errorf("%d groups have arrived on C, want 4", n)
	}
	r.finish(t)
}

// The ranks of one host are placed on two.
func TestSetPlace(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	r := startRanks(t, harness.Rock, 400, true, l.A, l.A, l.A, l.A)
	// The transport of the test reaches one host, whatever it is called: so both places are the same, under two names.
	out := migrateSet(t, l.A, l.C, "--place", "rank.1=elsewhere").Output(t)
	if n := len(regexp.MustCompile(`"to": "elsewhere"`).FindAllString(out, -1)); n != 1 {
		t.Errorf("%d went elsewhere, want 1\n%s", n, out)
	}
	r.finish(t)
}

// If one of a set cannot move, none does, and all go on.
func TestSetRefused(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	r := startRanks(t, harness.Rock, 200, true, l.A, l.B, l.A, l.B)
	harness.Spec{Host: l.C, Side: harness.Rock, Name: "rank.2", Argv: []string{"sh", "-c", "echo taken; exec sleep 1000"}}.Start(t).WaitOutput(t, "taken")
	res := migrateSet(t, l.A, l.C).Run(t)
	if res.Code == 0 || !strings.Contains(res.Stderr, "rank.2: ") || !strings.Contains(res.Stderr, "the name is taken") ||
		!strings.Contains(res.Stderr, "given up with that, so that they go on: rank.0") {
		t.Errorf("exit status %d, want that the name of rank.2 is taken and rank.0 goes on\n%s", res.Code, res.Stderr)
	}
	if n := running(t, l.A); n != 2 {
		t.Errorf("%d groups run on A, want 2", n)
	}
	r.finish(t)
}

// twoMoments starts a set on a host and writes it into images at one moment while it goes on, and at another when it has gone on behind
// that, which ends it.
func twoMoments(t *testing.T, h *lab.Host, rounds int) (r *ranks, first, second string) {
	t.Helper()
	r = startRanks(t, harness.Rock, rounds, true, h, h, h, h)
	dir := harness.TempDir(t)
	first, second = filepath.Join(dir, "first"), filepath.Join(dir, "second")
	rockctl(t, h, "checkpoint", "--set", "rank", "-R", "-D", first).Output(t)
	for _, p := range r.procs {
		p.WaitOutput(t, `round 100\b`)
	}
	rockctl(t, h, "checkpoint", "--set", "rank", "-D", second).Output(t)
	return r, first, second
}

// A set is written into images at one moment while it goes on, is lost, and comes back from them on another host.
func TestSetCheckpoint(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	r, _, dir := twoMoments(t, l.A, 400)
	if n := running(t, l.A); n != 0 {
		t.Errorf("%d groups are left on A", n)
	}

	// None comes back if one cannot: its image is damaged.
	broken := filepath.Join(dir, "rank.3", "rocks.msgpack")
	whole, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	damage := append([]byte{}, whole...)
	damage[len(damage)/2] ^= 1
	if err := os.WriteFile(broken, damage, 0o600); err != nil {
		t.Fatal(err)
	}
	res := rockctl(t, l.C, "restore", "--set", "rank", "-l", "-D", dir).Run(t)
	if res.Code == 0 || !strings.Contains(res.Stderr, "rank.3: ") || running(t, l.C) != 0 {
		t.Errorf("exit status %d with a damaged image, and %d groups run\n%s", res.Code, running(t, l.C), res.Stderr)
	}
	if err := os.WriteFile(broken, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	rockctl(t, l.C, "restore", "--set", "rank", "-l", "-D", dir).Output(t)
	if n := running(t, l.C); n != 4 {
		t.Errorf("%d groups have come back on C, want 4", n)
	}
	r.finish(t)
}

// Both images of two moments are good as long as nobody has gone on behind them: here all of the set go back together.
func TestSetRollBack(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	r, first, _ := twoMoments(t, l.A, 300)
	rockctl(t, l.C, "restore", "--set", "rank", "-l", "--cut-grown", "-D", first).Output(t)
	r.finish(t)
}
