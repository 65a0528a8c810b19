package group

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rock/rocks/detect"
)

func TestParseSettings(t *testing.T) {
	with := func(change func(*Settings)) Settings {
		s := DefaultSettings()
		change(&s)
		return s
	}
	tests := []struct {
		name, text string
		want       Settings
	}{
		{"empty", "", DefaultSettings()},
		{"comment", "# nothing\n", DefaultSettings()},
		{"empty tables", "[timings]\n[limits]\n", DefaultSettings()},
		{"no rules", "rule = []\n", DefaultSettings()},
		{"timings", `
[timings]
heartbeat = "250ms"
misses = 5
timeout = "1h30m"
hold = "5s"
backoff = "10s"
`, with(func(s *Settings) {
			s.Heartbeat, s.Misses, s.Timeout = 250*time.Millisecond, 5, 90*time.Minute
			s.Hold, s.Backoff = 5*time.Second, 10*time.Second
		})},
		{"limits", "[limits]\nflight_log = \"1GiB\"\nreceive = \"65536 B\"\n", with(func(s *Settings) {
			s.FlightLog, s.Receive = 1<<30, 64<<10
		})},
		{"dotted and inline", "timings.misses = 1\nlimits = {receive = \"64KiB\"}\n", with(func(s *Settings) {
			s.Misses, s.Receive = 1, 64<<10
		})},
		{"rules in order", `
[[rule]]
host = "10.0.0.0/8"
port = 22
action = "force"
[[rule]]
port = "8000-8100"
action = "forbid"
[[rule]]
host = "db.Example.net"
action = "detect"
`, with(func(s *Settings) {
			s.Rules = []detect.Rule{
				{Host: mustHost(t, "10.0.0.0/8"), Ports: detect.Ports{First: 22, Last: 22}, Action: detect.Force},
				{Ports: detect.Ports{First: 8000, Last: 8100}, Action: detect.Forbid},
				{Host: mustHost(t, "db.example.net"), Action: detect.Detect},
			}
		})},
		{"inline rules", `rule = [{port = "22", action = "forbid"}]`, with(func(s *Settings) {
			s.Rules = []detect.Rule{{Ports: detect.Ports{First: 22, Last: 22}, Action: detect.Forbid}}
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseSettings("f", []byte(tt.text))
			if err != nil {
				t.Fatalf("ParseSettings: %v", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseSettings = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func mustHost(t *testing.T, s string) detect.Host {
	t.Helper()
	h, err := detect.ParseHost(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestParseSettingsErrors(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"syntax", "[timings]\nheartbeat == \"1s\"\n", `f:2:12: `},
		{"unclosed string", "[timings]\nheartbeat = \"1s\n", `f:2:16: `},
		{"twice", "[timings]\nmisses = 1\nmisses = 2\n", `f:3:1: `},
		{"not UTF-8", "[timings]\n# \xff\n", `f:2:`},
		{"unknown table", "\n[timing]\nmisses = 1\n",
			`f:2:2: unknown key "timing": want [timings], [limits], [rendezvous] or [[rule]]`},
		{"unknown top key", "misses = 1\n",
			`f:1:1: unknown key "misses": want [timings], [limits], [rendezvous] or [[rule]]`},
		{"rendezvous", "[rendezvous]\nserver = \"meet.example.net:x\"\n",
			`f:2:1: rendezvous: server "meet.example.net:x": want a host, with a port or without, or several with commas, such as "meet.example.net", or "none"`},
		{"rendezvous key", "[rendezvous]\nhost = \"a\"\n", `f:2:1: rendezvous: unknown key "host": want server`},
		{"unknown key", "[timings]\nmisses = 3\n  heartbeet = \"1s\"\n",
			`f:3:3: timings: unknown key "heartbeet": want heartbeat, misses, timeout, hold or backoff`},
		{"unknown key, dotted", "timings.x.y = 1\n",
			`f:1:9: timings: unknown key "x": want heartbeat, misses, timeout, hold or backoff`},
		{"unknown limit", "[limits]\nsend = 1\n",
			`f:2:1: limits: unknown key "send": want flight_log or receive`},
		{"unknown rule key", "[[rule]]\nport = 1\naction = \"force\"\nports = 2\n",
			`f:4:1: rule 1: unknown key "ports": want host, port or action`},
		{"unknown table in a rule", "[[rule]]\nport = 1\naction = \"force\"\n[rule.x]\n",
			`f:4:7: rule 1: unknown key "x": want host, port or action`},
		{"table for a value", "timings = 3\n",
			`f:1:1: timings: want a table: [timings] on a line of its own, its keys below it`},
		{"duration without unit", "[timings]\nheartbeat = \"1\"\n",
			`f:2:1: timings: heartbeat "1": want a duration from 100ms to 1m, such as "1s"`},
		{"duration without quotes", "[timings]\nheartbeat = 1\n",
			`f:2:1: timings: heartbeat 1: want a duration from 100ms to 1m, such as "1s"`},
		{"heartbeat too short", "[timings]\nheartbeat = \"99ms\"\n",
			`f:2:1: timings: heartbeat "99ms": want a duration from 100ms to 1m, such as "1s"`},
		{"heartbeat too long", "[timings]\nheartbeat = \"61s\"\n",
			`f:2:1: timings: heartbeat "61s": want a duration from 100ms to 1m, such as "1s"`},
		{"negative timeout", "[timings]\ntimeout = \"-1h\"\n",
			`f:2:1: timings: timeout "-1h": want a duration from 1s to 8760h, such as "72h"`},
		{"timeout in days", "[timings]\ntimeout = \"3d\"\n",
			`f:2:1: timings: timeout "3d": want a duration from 1s to 8760h, such as "72h"`},
		{"hold", "[timings]\nhold = \"1m\"\n",
			`f:2:1: timings: hold "1m": want a duration from 500ms to 30s, such as "3s"`},
		{"backoff", "[timings]\nbackoff = \"0s\"\n",
			`f:2:1: timings: backoff "0s": want a duration from 100ms to 1m, such as "2s"`},
		{"misses none", "[timings]\nmisses = 0\n",
			`f:2:1: timings: misses 0: want a number from 1 to 100`},
		{"misses huge", "[timings]\nmisses = 4294967297\n",
			`f:2:1: timings: misses 4294967297: want a number from 1 to 100`},
		{"misses fraction", "[timings]\nmisses = 1.5\n",
			`f:2:1: timings: misses 1.5: want a number from 1 to 100`},
		{"size without unit", "[limits]\nreceive = \"100000\"\n",
			`f:2:1: limits: receive "100000": want a size from 64KiB to 1GiB, such as "64MiB"`},
		{"size in decimal units", "[limits]\nreceive = \"8MB\"\n",
			`f:2:1: limits: receive "8MB": want a size from 64KiB to 1GiB, such as "64MiB"`},
		{"size too small", "[limits]\nflight_log = \"63KiB\"\n",
			`f:2:1: limits: flight_log "63KiB": want a size from 64KiB to 1GiB, such as "64MiB"`},
		{"size overflow", "[limits]\nflight_log = \"18446744073709551616GiB\"\n",
			`f:2:1: limits: flight_log "18446744073709551616GiB": want a size from 64KiB to 1GiB, such as "64MiB"`},
		{"size just above", "[limits]\nflight_log = \"1073741825B\"\n",
			`f:2:1: limits: flight_log "1073741825B": want a size from 64KiB to 1GiB, such as "64MiB"`},
		{"one bracket", "[rule]\nport = 22\naction = \"force\"\n",
			`f:1:2: rule: want a list: [[rule]], in two brackets, on a line before the keys of each rule`},
		{"rule not a table", "rule = [22]\n", `f:1:1: rule 1: want a table`},
		{"port", "[[rule]]\nport = 22\naction = \"force\"\n\n[[rule]]\n  port = \"80a\"\n  action = \"forbid\"\n",
			`f:6:3: rule 2: port "80a": want a number or a range such as 8000-8100`},
		{"port 0", "[[rule]]\nport = 0\naction = \"force\"\n",
			`f:2:1: rule 1: port "0": want a number or a range such as 8000-8100`},
		{"port negative", "[[rule]]\nport = -1\naction = \"force\"\n",
			`f:2:1: rule 1: port "-1": want a number or a range such as 8000-8100`},
		{"port 65536", "[[rule]]\nport = 65536\naction = \"force\"\n",
			`f:2:1: rule 1: port "65536": want a number or a range such as 8000-8100`},
		{"port list", "[[rule]]\nport = [22, 23]\naction = \"force\"\n",
			`f:2:1: rule 1: port [...]: want a number or a range such as 8000-8100`},
		{"range backwards", "[[rule]]\nport = \"2-1\"\naction = \"force\"\n",
			`f:2:1: rule 1: port "2-1": want the lower end of the range first`},
		{"host", "[[rule]]\nhost = \"10.0.0.300\"\naction = \"force\"\n",
			`f:2:1: rule 1: host "10.0.0.300": want a host name, an IP address, a block such as 10.0.0.0/8 or fd00::/8, or "*"`},
		{"host type", "[[rule]]\nhost = 10\naction = \"force\"\n",
			`f:2:1: rule 1: host 10: want a name or an address in quotes`},
		{"action", "[[rule]]\nport = 22\naction = \"deny\"\n",
			`f:3:1: rule 1: action "deny": want "force", "forbid" or "detect"`},
		{"action type", "[[rule]]\nport = 22\naction = true\n",
			`f:3:1: rule 1: action true: want "force", "forbid" or "detect"`},
		{"no action", "[[rule]]\nport = 22\naction = \"force\"\n[[rule]]\nport = 23\n",
			`f:4:3: rule 2: action is missing: want action = "force", "forbid" or "detect"`},
		{"no host nor port", "[[rule]]\naction = \"force\"\n",
			`f:1:3: rule 1: host and port are missing: want one of them at least (host = "*" is any host)`},
		{"inline rule", "rule = [\n  {port = 22, action = \"force\"},\n  {port = \"x\", action = \"force\"},\n]\n",
			`f:3:4: rule 2: port "x": want a number or a range such as 8000-8100`},
		{"first of several", "[[rule]]\nport = \"x\"\naction = \"y\"\n[timings]\nmisses = 0\n",
			`f:2:1: rule 1: port "x": want a number or a range such as 8000-8100`},
		{"odd keys", "\"a.b\" = 1\n",
			`f:1:1: unknown key "a.b": want [timings], [limits], [rendezvous] or [[rule]]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSettings("f", []byte(tt.text))
			var at *SettingsError
			if !errors.As(err, &at) {
				t.Fatalf("ParseSettings error = %v, want a *SettingsError", err)
			}
			// Syntax errors are in the decoder's words: only their place is ours.
			got, whole := err.Error(), !strings.HasSuffix(tt.want, ": ") && !strings.HasSuffix(tt.want, ":")
			if whole && got != tt.want || !strings.HasPrefix(got, tt.want) {
				t.Errorf("ParseSettings error\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestConfigExample keeps the example in CONFIG.md valid, and true where it says
// that its values are the defaults.
func TestConfigExample(t *testing.T) {
	text, err := os.ReadFile("CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n```toml\n")
	example, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatal("CONFIG.md has no ```toml block")
	}
	got, err := ParseSettings("CONFIG.md", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 3 {
		t.Errorf("the example has %d rules, want 3", len(got.Rules))
	}
	want := DefaultSettings()
	want.Rules = got.Rules
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example gives %+v, want the defaults %+v", got, want)
	}
}

// TestRendezvous sets the server in the file, and in the environment, which counts more.
func TestRendezvous(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte("[rendezvous]\nserver = \"meet.example.net\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ variable, want string }{
		{"", "meet.example.net:7625"}, {"none", ""}, {"[fd00::1]:99", "[fd00::1]:99"}, {"192.0.2.1", "192.0.2.1:7625"}, {"a, b:99,[fd00::1]", "a:7625 b:99 [fd00::1]:7625"}, {"fd00::1", "[fd00::1]:7625"},
		{"a b", "error"}, {"host:0", "error"}, {":7625", "error"}, {"me@host", "error"}, {"a,", "error"},
	} {
		s, err := LoadSettings(func(key string) string {
			return map[string]string{"ROCK_CONFIG": file, "ROCK_RENDEZVOUS": tt.variable}[key]
		})
		if got := strings.Join(s.Rendezvous, " "); (err != nil) != (tt.want == "error") || err == nil && got != tt.want {
			t.Errorf("ROCK_RENDEZVOUS=%s: got %q, %v, want %q", tt.variable, got, err, tt.want)
		}
	}
}

func TestLoadSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	named := write("named.toml", "timings.misses = 11")
	xdg := write("xdg/rock/config.toml", "timings.misses = 12")
	home := write("home/.config/rock/config.toml", "timings.misses = 13")
	system := write("etc/config.toml", "timings.misses = 14")
	write("file", "")

	tests := []struct {
		name       string
		env        map[string]string
		wantFile   string
		wantMisses int
	}{
		{"ROCK_CONFIG", map[string]string{"ROCK_CONFIG": named, "XDG_CONFIG_HOME": dir + "/xdg", "HOME": dir + "/home"}, named, 11},
		{"XDG_CONFIG_HOME", map[string]string{"XDG_CONFIG_HOME": dir + "/xdg", "HOME": dir + "/home"}, xdg, 12},
		{"XDG_CONFIG_HOME relative", map[string]string{"XDG_CONFIG_HOME": "xdg", "HOME": dir + "/home"}, home, 13},
		{"HOME", map[string]string{"HOME": dir + "/home"}, home, 13},
		{"system", map[string]string{"HOME": dir + "/nobody"}, system, 14},
		{"HOME is a file", map[string]string{"HOME": dir + "/file"}, system, 14},
		{"no environment", nil, system, 14},
		{"null", map[string]string{"ROCK_CONFIG": os.DevNull}, os.DevNull, DefaultSettings().Misses},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := loadSettings(func(key string) string { return tt.env[key] }, system)
			if err != nil {
				t.Fatalf("loadSettings: %v", err)
			}
			if got.File != tt.wantFile || got.Misses != tt.wantMisses {
				t.Errorf("loadSettings: file %q, misses %d, want %q, %d", got.File, got.Misses, tt.wantFile, tt.wantMisses)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		got, err := loadSettings(func(string) string { return "" }, filepath.Join(dir, "absent"))
		if want := DefaultSettings(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("loadSettings = %+v, %v, want the defaults", got, err)
		}
	})
}

func TestLoadSettingsErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, ".config", "rock", "config.toml")
	if err := os.MkdirAll(filepath.Dir(bad), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("timings.misses = 0"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := func(key, value string) func(string) string {
		return func(k string) string {
			if k == key {
				return value
			}
			return ""
		}
	}
	const problem = "timings: misses 0: want a number from 1 to 100"
	tests := []struct {
		name   string
		getenv func(string) string
		want   string
	}{
		{"below HOME", env("HOME", dir), "~/.config/rock/config.toml:1:9: " + problem},
		{"named", env("ROCK_CONFIG", bad), bad + ":1:9: " + problem},
		{"named, absent", env("ROCK_CONFIG", dir+"/x"), "config file " + dir + "/x: no such file or directory"},
		{"named, directory", env("ROCK_CONFIG", dir), "config file " + dir + ": is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadSettings(tt.getenv)
			if err == nil || err.Error() != tt.want {
				t.Errorf("LoadSettings error\n got %v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := LoadSettings(env("ROCK_CONFIG", dir+"/x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadSettings error = %v, want fs.ErrNotExist", err)
	}
}

func TestLoadSettingsTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.toml")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, maxSettingsSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSettings(func(string) string { return file }); err == nil {
		t.Error("LoadSettings read a file above the limit")
	}
}

// FuzzParseSettings checks that no text breaks the parser and that its errors are
// all placed.
func FuzzParseSettings(f *testing.F) {
	for _, seed := range []string{
		"", "[timings]\nmisses = 3\n", "rule = [{port = 22}, [1]]", "[[rule]]\n[rule.x]\n[[rule.y]]\n[rule.y.z]\n",
		"limits = {receive = \"1MiB\"}", "a.b.c = {d = [{e = 1}]}", "[[a.b]]\n[[a.b.c]]\n", "rule.port = 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := ParseSettings("f", data)
		var at *SettingsError
		if err != nil && (!errors.As(err, &at) || at.Line < 1 || at.Column < 1 || at.Problem == "") {
			t.Errorf("ParseSettings(%q) error %#v has no place", data, err)
		}
	})
}
