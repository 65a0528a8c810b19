package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"rock/ckpt/criu"
	"rock/ckpt/survey"
	"rock/rocks/group"
)

var aReport = group.CheckpointReport{
	Dir: "/srv/my image", Running: true, Took: 1500 * time.Millisecond, Frozen: 61 * time.Millisecond, Quiesce: 2500 * time.Microsecond,
	CRIU: 45 * time.Millisecond, Pages: 512, ImageBytes: 3 << 20, Processes: 1, Rocks: 2, Sockets: 2, Drained: 4096, InFlight: 70000,
	Warnings: []string{"something is lost"},
}

func TestReport(t *testing.T) {
	var b strings.Builder
	if err := writeReport(&b, &aReport); err != nil {
		t.Fatal(err)
	}
	want := `image    /srv/my image, 3.0 MiB
frozen   61 ms: 2.5 ms to come to rest, 45 ms for CRIU; 1.5 s in all
memory   512 pages, 2.0 MiB of 1 process
rocks    2, with 68.4 KiB in flight and 4.0 KiB drained out of 2 sockets
restore  rockctl restore -D '/srv/my image'   # once the group has ended
`
	want = strings.ReplaceAll(want, "2.0 MiB", formatBytes(512*os.Getpagesize()))
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	j, err := json.Marshal(reportJSON(&aReport))
	wantJSON := `{"dir":"/srv/my image","running":true,"took_us":1500000,"frozen_us":61000,"quiesce_us":2500,"criu_us":45000,` +
		`"pages":512,"image_bytes":3145728,"processes":1,"rocks":2,"sockets":2,"drained_bytes":4096,"in_flight":70000,"warnings":["something is lost"]}`
	if err != nil || string(j) != wantJSON {
		t.Errorf("%v, got\n%s\nwant\n%s", err, j, wantJSON)
	}
	if j, _ := json.Marshal(reportJSON(&group.CheckpointReport{})); !strings.Contains(string(j), `"warnings":[]`) {
		t.Errorf("got %s", j)
	}
}

func TestFormatTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 ms", 1234 * time.Microsecond: "1.2 ms", 9950 * time.Microsecond: "10 ms", 999 * time.Millisecond: "999 ms",
		time.Second: "1.0 s", 90 * time.Second: "1m30s",
	} {
		if got := formatTime(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"/srv/web.ckpt": "/srv/web.ckpt", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'", "größe": "größe",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}

func TestCheckpointAbility(t *testing.T) {
	missing := &criu.MissingError{Why: errors.New("no file")}
	works := func() checkpointFacts {
		return checkpointFacts{
			root: true, tool: criu.Tool{Path: "/bin/criu"}, version: criu.Version{Major: 4, Minor: 2, Sublevel: 1}, freezer: 2,
			features: []criu.Feature{{Name: "network_lock_nftables", OK: true}},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*checkpointFacts)
		works  bool
		error  string
		marks  string // of CRIU, privileges, freezer, warnings, optional ones
	}{
		{"all", func(*checkpointFacts) {}, true, "", "yyyy"},
		{"warning", func(f *checkpointFacts) { f.warnings = []survey.Problem{{What: "CAP_X is missing: y is lost"}} }, true, "", "yyyny"},
		{"no root", func(f *checkpointFacts) { f.root, f.features = false, nil }, false, "only root can checkpoint", "????"},
		{"no CRIU", func(f *checkpointFacts) { f.findErr, f.features = missing, nil }, false, "find CRIU: no file", "nyy?"},
		{"no CRIU, no root", func(f *checkpointFacts) { f.root, f.findErr, f.features = false, missing, nil }, false, "only root can checkpoint", "n???"},
		{"too old", func(f *checkpointFacts) { f.usable = errors.New("CRIU is too old: run scripts/setup") }, false, "CRIU is too old", "nyyy"},
		{"capability", func(f *checkpointFacts) {
			f.problems, f.features = []survey.Problem{{What: "CAP_X is missing", Remedy: "run as root"}}, nil
		}, false, "CAP_X is missing", "?ny?"},
		{"no freezer", func(f *checkpointFacts) { f.frozeErr = errors.New("no cgroups") }, false, "no cgroups", "yyny"},
	} {
		f := works()
		tt.change(&f)
		a := checkpointAbility(f)
		var marks strings.Builder
		for _, n := range a.Needs {
			switch {
			case n.Untried:
				marks.WriteByte('?')
			case n.OK:
				marks.WriteByte('y')
				if n.Remedy != "" {
					t.Errorf("%s: remedy for %s, which is there", tt.name, n.Name)
				}
			default:
				marks.WriteByte('n')
			}
		}
		if a.Works != tt.works || a.Error != tt.error || marks.String() != tt.marks {
			t.Errorf("%s: got %v, %q, %s, want %v, %q, %s", tt.name, a.Works, a.Error, &marks, tt.works, tt.error, tt.marks)
		}
	}
}

// TestProgress shows something on a terminal until it is cleared away, and nothing anywhere else.
func TestProgress(t *testing.T) {
	if p := newProgress(new(bytes.Buffer)); p != nil {
		t.Error("shown where there is no terminal")
	} else {
		p.show(group.Progress{Phase: "dump"})
		p.end()
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	read := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the slave is closed
		read <- string(b)
	}()
	p := newProgress(slave)
	for _, step := range []group.Progress{{Phase: "look"}, {Phase: "dump"}, {Phase: "write", Done: 50 << 20, Total: 100 << 20}, {Phase: "odd"}} {
		p.show(step)
		p.draw() // as the timer does
	}
	p.end()
	p.draw()
	slave.Close()
	shown := <-read
	for _, want := range []string{"looking", "dumping", "writing", " 50% ", "(50/100 MiB", "odd"} {
		if !strings.Contains(shown, want) {
			t.Errorf("not shown: %q in %q", want, shown)
		}
	}
	if !strings.HasSuffix(shown, "\x1b[2K\r") {
		t.Errorf("not cleared: %q", shown)
	}
}

func TestRestoreOptions(t *testing.T) {
	empty := t.TempDir()
	t.Chdir(empty)
	for _, tt := range []struct {
		uid  int
		args string
		want string
	}{
		{1000, "", "restore needs root: sudo rockctl restore"},
		{1000, "a b", "restore needs root: sudo rockctl restore -D 'a b'"},
		{0, "", "which image? there is none in the current directory: rockctl restore -D DIR"},
	} {
		var o restoring
		o.Dir = tt.args
		if err := o.check(tt.uid); err == nil || err.Error() != tt.want {
			t.Errorf("uid %d, %q: got %v, want %s", tt.uid, tt.args, err, tt.want)
		}
	}
	t.Chdir(anImage(t))
	var o restoring
	if err := o.check(0); err != nil || !strings.HasSuffix(o.Dir, "/web.ckpt") {
		t.Errorf("in an image: got %v, %s", err, o.Dir)
	}
	_, _, err := rockctl("restore", "--frob")
	if got := exitStatus(err); got != 125 {
		t.Errorf("status %d for %v", got, err)
	}
}

// Help fits a terminal of 80 columns.
func TestHelpIsNarrow(t *testing.T) {
	for _, cmd := range newCommand().Commands() {
		help, _, err := rockctl(cmd.Name(), "--help")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(help) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 && cmd.Name() != "completion" {
				t.Errorf("%s --help: %d columns: %s", cmd.Name(), n, line)
			}
		}
	}
}
