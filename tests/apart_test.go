package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// Hosts apart are like machines: each has process ids, mounts and a name of its own, who lost its parent is reaped
// there, and it all ends with the lab.
func TestApart(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Apart)
	sleeps := harness.Spec{Host: l.B, Argv: []string{"sh", "-c", `echo $$ ready; trap "echo caught; exit 3" USR1; while :; do sleep 0.01; done`}}.Start(t)
	pid := sleeps.WaitOutput(t, `(\d+) ready`)[1]
	sh := func(h *lab.Host, script string) string {
		t.Helper()
		return harness.Spec{Host: h, Argv: []string{"sh", "-c", script}}.Output(t)
	}
	if got := sh(l.B, "tr '\\0' ' ' </proc/"+pid+"/cmdline"); !strings.Contains(got, "ready") {
		t.Errorf("process %s of B has the command line %q there", pid, got)
	}
	if got := sh(l.C, "ls /proc"); strings.Contains(got, "\n"+pid+"\n") {
		t.Errorf("C has the process %s of B:\n%s", pid, got)
	}
	if got := sh(l.C, "uname -n"); got != "C\n" {
		t.Errorf("C calls itself %q", got)
	}

	// A signal meets the program itself, and its exit status is reported.
	sleeps.Signal(t, syscall.SIGUSR1)
	if res := sleeps.Wait(t); res.Code != 3 || !strings.Contains(res.Stdout, "caught") {
		t.Errorf("exit status %d, want 3: %q", res.Code, res.Stdout)
	}
	if res := (harness.Spec{Host: l.B, Argv: []string{"cat"}, Stdin: strings.NewReader("through"), Dir: "/"}).Run(t); res.Stdout != "through" {
		t.Errorf("cat has written %q", res.Stdout)
	}

	// Nobody has a number that is in use elsewhere.
	numbers := map[string]int{}
	for _, h := range []*lab.Host{l.A, l.B, l.C} {
		n, err := strconv.Atoi(strings.TrimSpace(sh(h, "echo $$")))
		if err != nil {
			t.Fatal(err)
		}
		numbers[h.Name] = n
	}
	if numbers["B"]-numbers["A"] < 5000 || numbers["C"]-numbers["B"] < 5000 {
		t.Errorf("process ids are not far from each other: %v", numbers)
	}

	// Who outlives its parent is not left as a zombie.
	sh(l.B, "setsid sleep 0.1 >/dev/null 2>&1 &")
	harness.Until(t, "nobody left", func() bool { return sh(l.B, "cat /proc/[0-9]*/comm | grep -c sleep || true") == "0\n" })

	// Each has its own files where it should.
	dir := harness.TempDir(t)
	own := l.B.Private(dir)
	sh(l.B, "echo mine >"+dir+"/file")
	if got, err := os.ReadFile(filepath.Join(own, "file")); string(got) != "mine\n" {
		t.Errorf("the private file of B has %q (%v)", got, err)
	}
	for h, want := range map[*lab.Host]string{l.B: "file\n", l.C: "", l.A: ""} {
		if got := sh(h, "ls "+dir); got != want {
			t.Errorf("%s has the files %q, want %q", h.Name, got, want)
		}
	}

	// A command of a host can be run from another, with all that it reads and writes.
	res := harness.Spec{Host: l.B, Stdin: strings.NewReader("text"), Argv: []string{"sh", "-c",
		harness.Remote(t, l.C) + " 'uname -n; cat; echo error >&2; exit 4'"}}.Run(t)
	if res.Code != 4 || res.Stdout != "C\ntext" || res.Stderr != "error\n" {
		t.Errorf("on C, from B: exit status %d, %q, %q", res.Code, res.Stdout, res.Stderr)
	}
}

// A group of one host is written into an image and restored on another, and again: CRIU, cgroups and supervisors work on
// hosts apart.
func TestApartCheckpoint(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: transferRate / 6, ServerName: "job", Travels: true}.Start(t)
	tr.Flows(t)
	at := l.B
	for _, to := range []*lab.Host{l.C, l.B, l.C} {
		image := filepath.Join(harness.TempDir(t), "image")
		harness.Checkpoint(t, at, "job", image).Output(t)
		harness.Restore(t, to, image, "-d").Output(t)
		tr.Flows(t)
		at = to
	}
	tr.Finish(t)
}
