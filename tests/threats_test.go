package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rock/tests/lab"
)

// Each test that the threat model of rocks/PROTOCOL.md names is there, and every threat has one.
func TestThreatModel(t *testing.T) {
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "rocks", "PROTOCOL.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, model, ok := strings.Cut(string(text), "\n## 4. Threat model\n")
	if !ok {
		t.Fatal("there is no threat model")
	}
	grep := exec.Command("grep", "-rhoE", "^func (Test|Fuzz)[A-Za-z0-9]+", "--include=*_test.go", root)
	out, err := grep.Output()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		there[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	rows := 0
	for line := range strings.Lines(model) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(line, "| who |") || strings.HasPrefix(line, "| --- |") {
			continue
		}
		rows++
		named := name.FindAllStringSubmatch(cells[4], -1)
		if len(named) == 0 && !strings.Contains(cells[3], "no sandbox") {
			t.Errorf("no test shows that %q is kept off", strings.TrimSpace(cells[2]))
		}
		for _, n := range named {
			if !there[n[1]] {
				t.Errorf("%s is named as a test, and does not exist", n[1])
			}
		}
	}
	if rows < 15 {
		t.Errorf("only %d threats", rows)
	}
}
