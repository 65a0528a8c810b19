package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rock/ckpt/image"
)

// secret is in the files of the image, and must not come out of it.
const secret = "a key and some data"

// anImage writes an image with something of everything.
func anImage(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "web.ckpt")
	d, err := image.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abandon()
	for _, name := range []string{"core-7.img", image.RocksFile} {
		if err := d.Write(name, []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	m := &image.Manifest{
		Created: time.Date(2025, 6, 1, 12, 0, 0, 0, time.Local), Rock: "0.1", CRIU: "4.2.1", Root: 7,
		Host:  image.Host{Name: "alpha", Kernel: "6.18.0", Arch: "x86_64", CPU: "Model 1"},
		Group: image.Group{ID: "00c0ffee", Name: "web", Command: []string{"serve", "80"}, Dir: "/srv", Started: time.Date(2025, 5, 1, 8, 0, 0, 0, time.Local)},
		Processes: []image.Process{
			{PID: 12, PPID: 9, Name: "grand\x1b[31mchild", Exe: "/bin/cat", Threads: 1, State: "S"},
			{PID: 9, PPID: 7, Name: "worker", Exe: "/usr/bin/serve", Threads: 4, State: "S"},
			{PID: 7, PPID: 1, Name: "serve", Exe: "/usr/bin/serve", Threads: 1, State: "S"},
			{PID: 8, PPID: 7, Name: "old", Threads: 1, State: "Z"},
		},
		Files: []image.File{
			{Path: "/usr/bin/serve", Size: 70000, Kind: "exe", BuildID: "beef", PID: 7, FD: -1},
			{Path: "/usr/bin/serve", Size: 70000, Kind: "exe", BuildID: "beef", PID: 9, FD: -1},
			{Path: "/srv/log", Size: 4096, Kind: "append", PID: 7, FD: 3},
		},
		Listeners: []image.Listener{{Address: "0.0.0.0:80", PID: 7, FD: 4}},
		Ordinary:  []image.Connection{{Local: "10.0.0.1:80", Remote: "10.0.0.2:40000", PID: 9, FD: 5, Fate: image.FateClosed}},
		Rocks: []image.Rock{{
			ID: "00112233445566778899aabbccddeeff", Role: "server", State: "established", Local: "10.0.0.1:80", Remote: "10.0.0.3:40001",
			Epoch: 2, Sent: 3 << 30, Received: 100, InFlight: 70000, Unread: 7,
		}},
		Terminal: &image.Terminal{Key: "tty[1:2]", Rows: 24, Cols: 80, Termios: []byte(secret)},
		Outside:  []image.Outside{{Key: "pipe:[123]", FD: 1, Write: true}},
		Options:  image.Options{TCPClose: true, LeaveRunning: true},
		Stats:    image.Stats{FrozenMicros: 61000, CRIUMicros: 45000, QuiesceMicros: 2500, Pages: 512, PageBytes: 2 << 20, DrainedBytes: 4096, Sockets: 2},
	}
	if err := d.Commit(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rockctl runs a command line and returns what it writes.
func rockctl(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = run(args, &out, &errs)
	return out.String(), errs.String(), err
}

func TestInspect(t *testing.T) {
	dir := anImage(t)
	got, errs, err := rockctl("inspect", dir)
	if err != nil || errs != "" {
		t.Fatal(err, errs)
	}
	want := `image     ` + dir + `, 38 B
made      2025-06-01 12:00:00 by rock 0.1 with CRIU 4.2.1, the group went on
host      alpha, Linux 6.18.0 x86_64, Model 1
group     00c0ffee web: serve 80
started   2025-05-01 08:00:00 in /srv
frozen    61 ms: 2.5 ms to come to rest, 45 ms for CRIU
memory    512 pages, 2.0 MiB of 4 processes
rocks     1, with 4.0 KiB drained out of 2 sockets
files     2 (-v lists them)
terminal  24 rows, 80 columns
outside   writes to a pipe (descriptor 1)
restored  not yet
sums      2 files, not compared (--verify does)

PID  PROCESS              THREADS  STATE  PROGRAM
7    serve                1        S      /usr/bin/serve
8      old                1        Z
9      worker             4        S      /usr/bin/serve
12       grand?[31mchild  1        S      /bin/cat

ROCK      ROLE    LOCAL        REMOTE          EPOCH  SENT     RECEIVED  IN FLIGHT  UNREAD
00112233  server  10.0.0.1:80  10.0.0.3:40001  2      3.0 GiB  100 B     68.4 KiB   7 B

LISTENER    PID  FD
0.0.0.0:80  7    4

ORDINARY     REMOTE          PID  FD  ON RESTORE
10.0.0.1:80  10.0.0.2:40000  9    5   closed
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	got, _, err = rockctl("inspect", "-v", dir)
	files := `
PID  FD  KIND    SIZE      FILE
7    -   exe     68.4 KiB  /usr/bin/serve
9    -   exe     68.4 KiB  /usr/bin/serve
7    3   append  4.0 KiB   /srv/log
`
	if err != nil || !strings.HasSuffix(got, files) {
		t.Errorf("%v, got\n%swant at its end\n%s", err, got, files)
	}
}

func TestInspectJSON(t *testing.T) {
	dir := anImage(t)
	got, _, err := rockctl("inspect", "--json", dir)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatal(err)
	}
	snake := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, m := range regexp.MustCompile(`"([^"]+)":`).FindAllStringSubmatch(got, -1) {
		if !snake.MatchString(m[1]) {
			t.Errorf("key %q", m[1])
		}
	}
	if strings.Contains(got, secret) || strings.Contains(got, "termios") {
		t.Errorf("got a secret: %s", got)
	}
	if v["whole"] != nil || v["restored"] != nil || v["image_bytes"] != 38.0 || len(v["files"].([]any)) != 3 {
		t.Errorf("got %s", got)
	}
	rock := v["rocks"].([]any)[0].(map[string]any)
	if rock["sent"] != float64(3<<30) || rock["in_flight"] != 70000.0 || rock["epoch"] != 2.0 {
		t.Errorf("got rock %v", rock)
	}
}

func TestInspectVerifies(t *testing.T) {
	dir := anImage(t)
	if got, _, err := rockctl("inspect", "--verify", dir); err != nil || !strings.Contains(got, "2 files, all as they were") {
		t.Errorf("whole: %v, %s", err, got)
	}
	im, err := image.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	claim := image.Claim{When: time.Date(2025, 6, 2, 0, 0, 0, 0, time.Local), Host: "beta", Group: "00c0ffee"}
	if err := im.Claim(claim); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "core-7.img"), bytes.Repeat([]byte("x"), len(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := rockctl("inspect", "--verify", dir)
	if err == nil || !strings.Contains(err.Error(), "core-7.img does not match its checksum") || exitStatus(err) != 1 {
		t.Errorf("damaged: %v", err)
	}
	for _, want := range []string{"restored  2025-06-02 00:00:00 on beta as group 00c0ffee\n", "sums      2 files, NOT as they were\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%swant %q", got, want)
		}
	}
	got, _, err = rockctl("inspect", "--verify", "--json", dir)
	if err == nil || !strings.Contains(got, `"whole": false`) || !strings.Contains(got, `"host": "beta"`) {
		t.Errorf("damaged: %v, %s", err, got)
	}
}

// A manifest is only as good as who made it.
func TestProcessTreeWithoutEnd(t *testing.T) {
	m := &image.Manifest{Root: 1, Processes: []image.Process{{PID: 1, PPID: 2}, {PID: 2, PPID: 1}, {PID: 3, PPID: 3}, {PID: 4, PPID: 5}, {PID: 5, PPID: 4}}}
	if n := len(processTable(nil, m).rows) - 1; n > len(m.Processes) {
		t.Errorf("%d rows", n)
	}
}
