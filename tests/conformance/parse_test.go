package main

import (
	"maps"
	"testing"
)

func TestParse(t *testing.T) {
	for name, tt := range map[string]struct {
		got, want results
	}{
		"lines": {
			parseMarked("noise\n@@ ok a.b\nhalf a line@@ failed c d\r\n@@ skipped e\n"),
			results{"a.b": passed, "c d": failed, "e": skipped},
		},
		"go": {
			parseGo("=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- FAIL: TestA/b (0.01s)\n--- SKIP: TestC (0.00s)\nok\n"),
			results{"TestA": passed, "TestA/b": failed, "TestC": skipped},
		},
		"tap": {
			parseTAP("1..3\nok 1 /socket/a\nnot ok 2 - /socket/b\nok 3 /socket/c # SKIP no IPv6\n# ok 4 /no\n"),
			results{"/socket/a": passed, "/socket/b": failed, "/socket/c": skipped},
		},
		"openssh": {
			parseOpenSSH("run test connect.sh ...\nok simple connect\nfailed try harder\nSKIPPED: no conch\n"),
			results{"simple connect": passed, "try harder": failed, "no conch": skipped},
		},
	} {
		if !maps.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, tt.got, tt.want)
		}
	}
}
