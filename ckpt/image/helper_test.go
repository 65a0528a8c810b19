package image

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// files is what commit writes.
var files = map[string][]byte{
	"core-7.img":  []byte("core"),
	"empty.img":   {},
	"pages-1.img": bytes.Repeat([]byte("0123456789abcdef"), (2*pieceSize+4096)/16),
	RocksFile:     []byte("state"),
}

// commit makes an image with files.
func commit(t *testing.T, dir string, m *Manifest) {
	t.Helper()
	d := draft(t, dir)
	for name, b := range files {
		if err := d.Write(name, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Commit(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
}

// draft makes a draft that is gone after the test.
func draft(t *testing.T, dir string) *Draft {
	t.Helper()
	d, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Abandon(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func open(t *testing.T, dir string) *Image {
	t.Helper()
	i, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", filepath.Base(dir), got, want)
	}
}

// cancelled is a context that is cancelled.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// fullManifest has no field that is zero.
func fullManifest() *Manifest {
	return &Manifest{
		Created: time.Unix(1_700_000_000, 123_456_789),
		Rock:    "0.2",
		CRIU:    "4.2.1",
		Host: Host{
			Name: "alpha", Machine: "0123456789abcdef0123456789abcdef", Boot: "6d1d7a3c-0000-4000-8000-000000000001",
			Kernel: "6.18.0", Arch: "x86_64", CPU: "Model 1",
			Features: []string{"avx2", "sse2"}, PageSize: 4096,
		},
		Group: Group{ID: "00c0ffee", Name: "web", Command: []string{"serve", "-p", "80"}, Dir: "/srv", Started: time.Unix(1_600_000_000, 0)},
		Root:  1001,
		Processes: []Process{{
			PID: 1001, PPID: 1000, PGID: 1001, SID: 1001, Name: "serve", Exe: "/usr/bin/serve", Threads: 3, State: "S",
		}},
		Files: []File{
			{Path: "/srv/log", Size: 4096, Mode: 0o100644, Kind: "append", PID: 1001, FD: 3, Pos: 4096, Flags: 0o2001},
			{Path: "/usr/bin/serve", Size: 70000, Mode: 0o100755, Kind: "exe", BuildID: "deadbeef", PID: 1001, FD: -1},
		},
		Listeners: []Listener{{Address: "0.0.0.0:80", PID: 1001, FD: 4}},
		Ordinary:  []Connection{{Local: "10.0.0.1:80", Remote: "10.0.0.2:40000", PID: 1001, FD: 5, Fate: FateClosed}},
		Rocks: []Rock{{
			ID: "000102030405060708090a0b0c0d0e0f", Role: "server", State: "established", Local: "10.0.0.1:80",
			Remote: "10.0.0.3:40001", Epoch: 2, Sent: 1 << 40, Received: 100, InFlight: 70000, Unread: 7,
		}},
		Terminal: &Terminal{Key: "tty[8803:1]", Rows: 24, Cols: 80, Termios: []byte{0, 5, 0, 0}},
		PTYs:     []int{0, 7},
		Outside:  []Outside{{Key: "pipe:[123]", FD: 1, Write: true}},
		Options:  Options{TCPClose: true, TCPEstablished: true, LeaveRunning: true},
		Stats: Stats{
			FrozenMicros: 61000, CRIUMicros: 45000, QuiesceMicros: 11000, Pages: 512, PageBytes: 2 << 20,
			DrainedBytes: 4000000, Sockets: 2,
		},
		Sums: []Sum{{Name: "core-1001.img", Size: 900, Sum: 0x0123456789abcdef}, {Name: RocksFile, Size: 5, Sum: 1}},
	}
}

// smallManifest is the smallest that is valid.
func smallManifest() *Manifest {
	return &Manifest{
		Created: time.Unix(1_700_000_000, 0),
		Group:   Group{Started: time.Unix(1_600_000_000, 0)},
		Sums:    []Sum{{Name: RocksFile}},
	}
}
