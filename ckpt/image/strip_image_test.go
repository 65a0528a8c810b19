package image

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	criu_core "github.com/checkpoint-restore/go-criu/v7/crit/images/criu-core"
	"github.com/checkpoint-restore/go-criu/v7/crit/images/seccomp"
	"google.golang.org/protobuf/proto"
)

// images writes CRIU's images from messages, given by file and in hexadecimal digits of their entries.
func images(t *testing.T, files map[string][]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, entries := range files {
		magic := uint32(coreMagic)
		if name == seccompFile {
			magic = seccompMagic
		}
		var raw [][]byte
		for _, e := range entries {
			b, err := hex.DecodeString(strings.ReplaceAll(e, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			raw = append(raw, b)
		}
		if err := root.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := writeEntries(root, name, magic, raw); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// encoded is a message in hexadecimal digits.
func encoded(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// threadWith is a thread with a filter, which is incomplete but for that.
func threadWith(index uint32) *criu_core.CoreEntry {
	return &criu_core.CoreEntry{ThreadCore: &criu_core.ThreadCoreEntry{
		SeccompMode: criu_core.SeccompMode_filter.Enum(), SeccompFilter: &index,
	}}
}

// filterList is a seccomp.img with one filter "ours" and one "own", which is newer.
func filterList() *seccomp.SeccompEntry {
	return &seccomp.SeccompEntry{SeccompFilters: []*seccomp.SeccompFilter{
		{Filter: []byte("own")}, {Filter: []byte("ours"), Prev: proto.Uint32(0)}, {Filter: []byte("ours")},
	}}
}

func ours(filter []byte) bool { return string(filter) == "ours" }

// TestStripKeeps is for what must not change: fields that we do not know and other entries.
func TestStripKeeps(t *testing.T) {
	const unknown = "fa3f 03 616263" // field 1023
	newer := encoded(t, threadWith(1)) + unknown
	old := encoded(t, &criu_core.CoreEntry{Tc: &criu_core.TaskCoreEntry{
		Comm: proto.String("x"), OldSeccompMode: criu_core.SeccompMode_filter.Enum(), OldSeccompFilter: proto.Uint32(2),
	}})
	strict := encoded(t, &criu_core.CoreEntry{ThreadCore: &criu_core.ThreadCoreEntry{SeccompMode: criu_core.SeccompMode_strict.Enum()}})
	dir := images(t, map[string][]string{
		seccompFile: {encoded(t, filterList())}, "core-1.img": {newer, "ffff"}, "core-2.img": {old}, "core-3.img": {strict + unknown},
		"core-4.img": {encoded(t, threadWith(2))},
	})
	n, err := StripFilter(dir, ours)
	if err != nil || n != 3 {
		t.Fatalf("stripped %d, %v; want 3", n, err)
	}
	want := images(t, map[string][]string{
		seccompFile: {encoded(t, filterList())}, "core-1.img": {encoded(t, threadWith(0)) + unknown, "ffff"},
		"core-2.img": {encoded(t, &criu_core.CoreEntry{Tc: &criu_core.TaskCoreEntry{Comm: proto.String("x")}})},
		"core-3.img": {strict + unknown},
		"core-4.img": {encoded(t, &criu_core.CoreEntry{ThreadCore: &criu_core.ThreadCoreEntry{}})},
	})
	for _, name := range names(t, want) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(want, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
	}
}

func TestStripEmpties(t *testing.T) {
	dir := images(t, map[string][]string{seccompFile: {encoded(t, filterList())}, "core-1.img": {encoded(t, threadWith(2))}})
	if n, err := StripFilter(dir, ours); n != 1 || err != nil {
		t.Fatalf("stripped %d, %v; want 1", n, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, seccompFile))
	if err != nil || hex.EncodeToString(b) != "19435654"+"49304164"+"00000000" {
		t.Errorf("got %x, %v", b, err)
	}
}

func TestStripRefuses(t *testing.T) {
	list, thread := encoded(t, filterList()), encoded(t, threadWith(2))
	astray := filterList()
	astray.SeccompFilters[2].Prev = proto.Uint32(3)
	nowhere := threadWith(0)
	nowhere.ThreadCore.SeccompFilter = nil
	for _, tt := range []struct {
		name  string
		files map[string][]string
		want  string // "" for none
	}{
		{"no seccomp.img", map[string][]string{"core-1.img": {thread}}, ""},
		{"no entry", map[string][]string{seccompFile: {}, "core-1.img": {thread}}, ""},
		{"no filter", map[string][]string{seccompFile: {""}, "core-1.img": {""}}, ""},
		{"a filter that is not there", map[string][]string{seccompFile: {list}, "core-1.img": {encoded(t, threadWith(3))}}, "core-1.img: has a"},
		{"a newer one that is not there", map[string][]string{seccompFile: {encoded(t, astray)}, "core-1.img": {thread}}, "core-1.img: has a"},
		{"a filter nowhere", map[string][]string{seccompFile: {list}, "core-1.img": {encoded(t, nowhere)}}, "core-1.img: has a"},
		{"no core", map[string][]string{seccompFile: {list}, "core-1.img": {}}, "core-1.img is empty"},
		{"a bad core", map[string][]string{seccompFile: {list}, "core-1.img": {"ff"}}, "decode core-1.img"},
		{"a bad list", map[string][]string{seccompFile: {"ff"}}, "decode seccomp.img"},
	} {
		n, err := StripFilter(images(t, tt.files), ours)
		if n != 0 || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %d, %v, want %q", tt.name, n, err, tt.want)
		}
	}
	for raw, want := range map[string]string{
		"":                              "does not begin",
		"19435654":                      "does not begin",
		"19435654 49304165":             "does not begin",
		"19435654 49304164 0000":        "within a length",
		"19435654 49304164 02000000 00": "within an entry",
		"19435654 49304164 ffffffff 00": "within an entry",
		"19435654 49304164 00000000 01": "within a length",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(raw, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, seccompFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := StripFilter(dir, ours); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", raw, err, want)
		}
	}
	if _, err := StripFilter(filepath.Join(t.TempDir(), "none"), ours); err == nil {
		t.Error("a missing directory was accepted")
	}
}
