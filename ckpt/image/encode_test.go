package image

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// goldenManifests are those that FORMAT.md shows, in its order.
var goldenManifests = []struct {
	name     string
	manifest func() *Manifest
}{
	{"smallest", smallManifest},
	{"full", fullManifest},
}

// documented returns the blocks of hexadecimal digits in FORMAT.md.
func documented(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(string(b), "## Examples")
	var blocks [][]byte
	for _, block := range regexp.MustCompile(`(?m)(^ {4}.*\n)+`).FindAllString(examples, -1) {
		m, err := hex.DecodeString(strings.Join(strings.Fields(block), ""))
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, m)
	}
	if len(blocks) != len(goldenManifests) {
		t.Fatalf("FORMAT.md has %d examples, want %d", len(blocks), len(goldenManifests))
	}
	return blocks
}

func TestFormatDocument(t *testing.T) {
	blocks := documented(t)
	for i, g := range goldenManifests {
		b, err := encode(g.manifest())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, blocks[i]) {
			t.Errorf("%s: got %x, want %x as documented", g.name, b, blocks[i])
		}
		m, err := decode(blocks[i])
		if err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		if !reflect.DeepEqual(m, g.manifest()) {
			t.Errorf("%s: got %+v, want %+v", g.name, m, g.manifest())
		}
	}
}

// TestFormatKeys compares the keys that are documented with those that there are, and sees to it that the full
// example has them all.
func TestFormatKeys(t *testing.T) {
	b, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var walkType func(v reflect.Value, path string)
	walkType = func(v reflect.Value, path string) {
		switch {
		case v.IsZero():
			t.Errorf("%s is zero in the full example", path)
		case v.Kind() == reflect.Pointer:
			walkType(v.Elem(), path)
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			walkType(v.Index(0), path)
		case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[Manifest]().PkgPath():
			for i := range v.NumField() {
				key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("msgpack"), ",")
				if key == "" {
					t.Errorf("%s.%s has no key", path, v.Type().Field(i).Name)
				}
				if !strings.Contains(string(b), "`"+key+"`") {
					t.Errorf("the key %s of %s is not documented", key, path)
				}
				if key != "buildid" { // of the second file
					walkType(v.Field(i), path+"."+key)
				}
			}
		}
	}
	walkType(reflect.ValueOf(fullManifest()), "manifest")
}

// seal puts a header before a body.
func seal(body []byte) []byte {
	b := append([]byte(magic), 0, 0, 0, Version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(binary.BigEndian.AppendUint64(b, headerSum(b, body)), body...)
}

func TestDecodeRefuses(t *testing.T) {
	good, err := encode(smallManifest())
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x10
		if _, err := decode(b); err == nil {
			t.Errorf("a wrong byte at %d was accepted", i)
		}
		if _, err := decode(good[:i]); err == nil {
			t.Errorf("the first %d bytes were accepted", i)
		}
	}
	newer := bytes.Clone(good)
	newer[len(magic)+3] = 7
	var version *VersionError
	if _, err := decode(newer); !errors.As(err, &version) || version.Found != 7 || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("another version: got %v", err)
	}
	for _, tt := range []struct{ name, hex, want string }{
		{"an array of 2^32-1", "81 a5 66696c6573 dd ffffffff", "within a value"},
		{"a map of 2^32-1", "df ffffffff", "within a value"},
		{"a string of 2^32-1", "81 a4 726f636b db ffffffff", "within a value"},
		{"bytes of 2^32-1", "81 a4 726f636b c6 ffffffff", "within a value"},
		{"an extension of 2^32-1", "81 a7 63726561746564 c9 ffffffff ff", "within a value"},
		{"deep", "81 a1 61" + strings.Repeat("91", 16), "deeper"},
		{"a byte that nothing begins with", "c1", "0xc1"},
		{"two values", "80 80", "after its end"},
		{"no map", "a0", "cannot be decoded"},
		{"nothing", "", "within a value"},
		{"no files", "80", "does not list " + RocksFile},
	} {
		body, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(seal(body)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	many := append([]byte{0xdd, 0, 0x20, 0, 1}, make([]byte, 2*mostElements+1)...)
	if _, err := decode(seal(many)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("many elements: got %v", err)
	}
}

func TestDecodeRefusesNames(t *testing.T) {
	rocks := Sum{Name: RocksFile}
	for _, sums := range [][]Sum{
		nil, {{Name: "a"}}, {rocks, rocks}, {rocks, {Name: "a"}}, {{Name: "a", Size: -1}, rocks},
		{{Name: ""}, rocks}, {{Name: "."}, rocks}, {{Name: ".."}, rocks}, {{Name: "../a"}, rocks}, {{Name: "/a"}, rocks},
		{{Name: ManifestFile}, rocks}, {rocks, {Name: "s/a"}}, {{Name: "a\x00"}, rocks}, {rocks, {Name: ClaimFile}},
	} {
		body, err := msgpack.Marshal(&Manifest{Sums: sums})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(seal(body)); err == nil {
			t.Errorf("%+v was accepted", sums)
		}
	}
}

// TestDecodeSkips is for the manifest of a later program of the same version.
func TestDecodeSkips(t *testing.T) {
	body, err := msgpack.Marshal(map[string]any{
		"rock": "9", "sums": []any{map[string]any{"name": RocksFile, "size": 3, "sum": 4, "new": []any{1.5, nil}}},
		"new": map[string]any{"a": []byte{1}, "b": true, "c": -70000}, "options": map[string]any{"new": 1, "tcp_close": true},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := decode(seal(body))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{Rock: "9", Options: Options{TCPClose: true}, Sums: []Sum{{RocksFile, 3, 4}}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
}

// FuzzDecode decodes any body behind a right header; what is accepted must survive being written again.
func FuzzDecode(f *testing.F) {
	for _, b := range documented(f) {
		f.Add(b[headSum:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		decode(body) // as a whole file
		m, err := decode(seal(body))
		if err != nil {
			return
		}
		b, err := encode(m)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := decode(b)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
		if c, err := encode(again); err != nil || !bytes.Equal(b, c) {
			t.Fatalf("got %x, then %x (%v)", b, c, err)
		}
	})
}
