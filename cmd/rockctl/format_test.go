package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"rock/rocks/group"
	"rock/rocks/interpose/seccomp"
)

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 102400: "100 KiB",
		1<<20 - 1: "1.0 MiB", 16 << 20: "16.0 MiB", 3 << 30: "3.0 GiB", 5 << 40: "5.0 TiB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 999 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m00s",
		time.Hour - 1: "59m59s", 2*time.Hour + 13*time.Minute: "2h13m", 24 * time.Hour: "1d00h", 72 * time.Hour: "3d00h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table := newTable(&b, "A", "LONG", "C")
	table.row("é", "1", "x\x1b[31m\ny")
	table.row("22", "", "")
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "A   LONG  C\né   1     x?[31m?y\n22\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cut("123456", 4); got != "123…" {
		t.Errorf("cut: got %q", got)
	}
}

var aRock = group.Rock{
	ID: "00112233445566778899aabbccddeeff", State: "suspended", Local: "10.0.0.1:40000", Remote: "10.0.0.2:22",
	Role: "client", Epoch: 3, InFlight: 1536, Since: time.Unix(1700000000, 0).UTC(), Error: "network is unreachable",
}

func TestRocksTable(t *testing.T) {
	var b strings.Builder
	if err := writeRocks(&b, []group.Rock{aRock}, aRock.Since.Add(90*time.Second)); err != nil {
		t.Fatal(err)
	}
	want := `ID        STATE      SINCE  LOCAL           REMOTE       ROLE    EPOCH  IN FLIGHT  ERROR
00112233  suspended  1m30s  10.0.0.1:40000  10.0.0.2:22  client  3      1.5 KiB    network is unreachable
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestJSONKeys holds the keys that scripts rely on.
func TestJSONKeys(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    any
		keys string
	}{
		{"ls", groupsJSON([]group.Group{{}})[0], "id name pid command state rocks"},
		{"conns", rocksJSON([]group.Rock{aRock})[0], "id state local remote role epoch in_flight since error"},
		{"check", abilities{}, "interpose checkpoint migrate"},
	} {
		b, err := json.Marshal(tt.v)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		d := json.NewDecoder(strings.NewReader(string(b)))
		for depth, key := 0, true; ; {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch v := token.(type) {
			case json.Delim:
				if v == '{' || v == '[' {
					depth++
				} else {
					depth--
				}
				key = true
			default:
				if depth == 1 && key {
					keys = append(keys, token.(string))
				}
				key = !key || depth != 1
			}
		}
		if got, want := keys, strings.Fields(tt.keys); !slices.Equal(got, want) {
			t.Errorf("%s: got keys %q, want %q", tt.name, got, want)
		}
	}
	b, _ := json.Marshal(rocksJSON([]group.Rock{aRock}))
	if want := `"since":"2023-11-14T22:13:20Z"`; !strings.Contains(string(b), want) {
		t.Errorf("got %s, want %s in it", b, want)
	}
}

func TestInterposeAbility(t *testing.T) {
	all := seccomp.Features{Kernel: "6.18", WaitKillable: true, SyncWakeup: true, AddFDSend: true, ThreadPidfd: true, ProcessVM: true}
	old := seccomp.Features{Kernel: "5.19", WaitKillable: true, AddFDSend: true, ProcessVM: true, NoNewPrivs: true}
	nested := &seccomp.Error{Op: "install", Kind: seccomp.ErrNested, Remedy: "do this"}
	for _, tt := range []struct {
		name    string
		f       seccomp.Features
		err     error
		works   bool
		remedy  string
		missing []string
	}{
		{"all", all, nil, true, "", nil},
		{"old", old, nil, true, "", []string{"descriptors of threads", "setuid programs", "synchronous wake-up"}},
		{"nested", seccomp.Features{ThreadPidfd: true}, nested, false, "do this", []string{"no other listener"}},
		{"odd", all, errors.New("odd"), false, "", nil},
	} {
		a := interposeAbility(tt.f, tt.err, "1")
		var missing []string
		for _, n := range a.Needs {
			if !n.OK {
				missing = append(missing, n.Name)
			} else if n.Remedy != "" {
				t.Errorf("%s: remedy for %s, which is there", tt.name, n.Name)
			}
		}
		if a.Works != tt.works || a.Remedy != tt.remedy || !slices.Equal(missing, tt.missing) {
			t.Errorf("%s: got %+v", tt.name, a)
		}
		if strings.Contains(a.Error, "do this") {
			t.Errorf("%s: error %q repeats the remedy", tt.name, a.Error)
		}
	}
}
