package tests

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/tests/harness"
	"rock/tests/lab"
)

// clerk reads numbers from a file, adds a line to a log for each, and writes its own into the middle of a third file, over and over until there
// is a file "stop" in its working directory.
const clerk = `
import os, struct, sys, time
os.chdir(sys.argv[1])
log, data, numbers = open("log", "a"), open("data", "r+b", buffering=0), open("input", "rb", buffering=0)
data.seek(4096)
n = 0
while not os.path.exists("stop"):
    b = numbers.read(8)
    if not b:
        numbers.seek(0)
        continue
    log.write("%d %d\n" % (n, struct.unpack("<Q", b)[0])); log.flush()
    data.write(struct.pack("<Q", n))
    n += 1
    time.sleep(0.002)
open("end", "w").write(str(n))
`

// clerkInputs is how many numbers there are.
const clerkInputs = 1000

// desk is a directory below which each of some hosts has files of its own, in "work".
type desk struct {
	dir string
	own map[*lab.Host]string // where it is for us
}

func newDesk(t *testing.T, hosts ...*lab.Host) *desk {
	d := &desk{harness.TempDir(t), map[*lab.Host]string{}}
	for _, h := range hosts {
		d.own[h] = h.Private(d.dir)
	}
	return d
}

// fill lays ready what a clerk needs.
func (d *desk) fill(t *testing.T, h *lab.Host) {
	t.Helper()
	work := filepath.Join(d.own[h], "work")
	var input []byte
	for i := range clerkInputs {
		input = binary.LittleEndian.AppendUint64(input, uint64(i*i))
	}
	err := os.Mkdir(work, 0o700)
	for name, b := range map[string][]byte{"log": nil, "data": make([]byte, 8192), "input": input, "more": []byte("more")} {
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), b, 0o640)
		}
	}
	if err == nil {
		err = os.Chown(filepath.Join(work, "data"), 12, 34)
	}
	if err == nil {
		err = os.Chmod(work, 0o750)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lines is how many lines a clerk has written on a host.
func (d *desk) lines(h *lab.Host) int {
	b, _ := os.ReadFile(filepath.Join(d.own[h], "work/log"))
	return strings.Count(string(b), "\n")
}

// goesOn waits until a clerk works on a host.
func (d *desk) goesOn(t *testing.T, h *lab.Host) {
	t.Helper()
	n := d.lines(h)
	harness.Until(t, "work on "+h.Name, func() bool { return d.lines(h) > n+10 })
}

// finish ends the work, and looks at all that was done.
func (d *desk) finish(t *testing.T, h *lab.Host) {
	t.Helper()
	work := filepath.Join(d.own[h], "work")
	if err := os.WriteFile(filepath.Join(work, "stop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var end []byte
	harness.Until(t, "the end of the work", func() bool {
		end, _ = os.ReadFile(filepath.Join(work, "end"))
		return len(end) > 0
	})
	n, err := strconv.Atoi(string(end))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(work, "log"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(work, "data"))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	numbers := make([]byte, 4096, max(8192, 4096+8*n))
	for i := range n {
		fmt.Fprintf(&want, "%d %d\n", i, (i%clerkInputs)*(i%clerkInputs))
		numbers = binary.LittleEndian.AppendUint64(numbers, uint64(i))
	}
	numbers = numbers[:cap(numbers)]
	if string(log) != want.String() {
		t.Errorf("the log of %d lines is not right: %d bytes, want %d", n, len(log), want.Len())
	}
	if string(data[:min(len(data), len(numbers))]) != string(numbers) {
		t.Errorf("the data for %d numbers are not right: %d bytes, want %d", n, len(data), len(numbers))
	}
	t.Logf("%d numbers", n)
}

// hidden returns what a migration has left in the desk of a host.
func (d *desk) hidden(h *lab.Host) []string {
	var all []string
	for _, dir := range []string{"", "work"} {
		names, _ := filepath.Glob(filepath.Join(d.own[h], dir, ".rock*"))
		all = append(all, names...)
	}
	return all
}

// A program with files open moves to a host that has none of them, with its working directory and the files, and back.
func TestMigrateFiles(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	d := newDesk(t, l.B, l.C)
	d.fill(t, l.B)
	work := filepath.Join(d.dir, "work")
	p := harness.Spec{Host: l.B, Side: harness.Rock, Name: "clerk", Travels: true, Argv: []string{"python3", "-c", clerk, work}}.Start(t)
	d.goesOn(t, l.B)

	// All that is missing is said at once, with what to do.
	missing := harness.DryRun(t, l.B, l.C, "clerk")
	for _, path := range []string{work, work + "/log", work + "/data", work + "/input"} {
		want := "on " + l.C.Addr(1).String() + ": " + path + " cannot be opened: no such file or directory: bring it there, or use --copy-files"
		if !strings.Contains("\n"+strings.Join(missing, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("not said: %s", want)
		}
	}
	if len(missing) != 4 {
		t.Errorf("%d problems, want 4", len(missing))
	}
	if res := harness.Migrate(t, l.B, l.C, "clerk").Run(t); res.Code == 0 || strings.Count(res.Stderr, "use --copy-files") != 4 {
		t.Errorf("without the files: exit status %d\n%s", res.Code, res.Stderr)
	}
	d.goesOn(t, l.B)

	// What is in the way of the files is, too.
	if err := os.MkdirAll(filepath.Join(d.own[l.C], "work/data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp", filepath.Join(d.own[l.C], "work/log")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(harness.DryRun(t, l.B, l.C, "clerk", "--copy-files=gone,/proc/version"), "\n"); !strings.Contains(got, work+"/data is a directory here") ||
		!strings.Contains(got, work+"/log is a symbolic link here") || !strings.Contains(got, "work/gone: no such file") || !strings.Contains(got, "/proc/version cannot come along") {
		t.Error("not all that is in the way was said")
	}
	if err := os.RemoveAll(filepath.Join(d.own[l.C], "work")); err != nil {
		t.Fatal(err)
	}
	if got := harness.DryRun(t, l.B, l.C, "clerk", "--copy-files"); len(got) > 0 {
		t.Error("something is in the way")
	}

	for _, to := range []*lab.Host{l.C, l.B, l.C} {
		from := p.Host()
		if to == l.B { // what is there is of a file that is not the group's any more
			if err := os.WriteFile(filepath.Join(d.own[to], "work/log"), []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := p.Move(t, to, "--copy-files=more")
		t.Logf("%s files", r.Files)
		d.goesOn(t, to)
		if left := append(d.hidden(from), d.hidden(to)...); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		compare(t, d, from, to)
	}
	d.finish(t, l.C)
}

// compare looks whether files on two hosts have the same attributes, and those that nobody writes to the same contents.
func compare(t *testing.T, d *desk, from, to *lab.Host) {
	t.Helper()
	for _, name := range []string{"work", "work/log", "work/data", "work/input", "work/more"} {
		var a, b unix.Stat_t
		if err := unix.Stat(filepath.Join(d.own[from], name), &a); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(filepath.Join(d.own[to], name), &b); err != nil {
			t.Fatal(err)
		}
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%s on %s: %o %d:%d, want %o %d:%d", name, to.Name, b.Mode, b.Uid, b.Gid, a.Mode, a.Uid, a.Gid)
		}
		if still := name == "work/input" || name == "work/more"; still && (a.Mtim != b.Mtim || a.Size != b.Size) {
			t.Errorf("%s on %s: %d bytes of %v, want %d of %v", name, to.Name, b.Size, b.Mtim, a.Size, a.Mtim)
		}
	}
}

// The target dies when the files are in their places: what was there before is there again, and the group goes on where it was.
func TestMigrateFilesTargetDies(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	d := newDesk(t, l.B, l.C)
	d.fill(t, l.B)
	d.fill(t, l.C)
	theirs := filepath.Join(d.own[l.C], "work/log")
	if err := os.WriteFile(theirs, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(d.dir, "work")
	p := harness.Spec{Host: l.B, Side: harness.Rock, Name: "clerk", Travels: true, Argv: []string{"python3", "-c", clerk, work}}.Start(t)
	d.goesOn(t, l.B)

	// The line is one that the group has not written there.
	script := filepath.Join(harness.TempDir(t), "receive")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
exec 3<&0
"$@" <&3 3<&- &
pid=$!
exec 3<&-
if [ $# = 2 ]; then
	until grep -q '^0 0$' `+work+`/log; do sleep 0.001; done
	kill -9 $pid
fi
wait $pid
`), 0o755); err != nil {
		t.Fatal(err)
	}
	receive := strings.Join([]string{harness.Remote(t, l.C), "ROCK_RUNTIME_DIR=" + harness.RuntimeDir(l.C, ""), script, harness.Program(t, "rockctl"), "receive"}, " ")
	res := harness.Migrate(t, l.B, l.C, "clerk", "--copy-files", "--exec", receive).Run(t)
	t.Logf("exit status %d\n%s", res.Code, res.Stderr)
	if res.Code == 0 {
		t.Fatal("it came to life there")
	}
	d.goesOn(t, l.B)
	harness.Until(t, "everything put back", func() bool {
		b, err := os.ReadFile(theirs)
		return err == nil && string(b) == "something else" && len(d.hidden(l.C)) == 0
	})
	if r := p.Move(t, l.C, "--copy-files"); string(r.Files) == "0" {
		t.Error("no files came along")
	}
	d.goesOn(t, l.C)
	d.finish(t, l.C)
}
