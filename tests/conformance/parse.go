package main

import (
	"regexp"
	"strings"
)

// outcome is what became of a test.
type outcome string

const (
	passed  outcome = "ok"
	failed  outcome = "failed"
	skipped outcome = "skipped"
)

// results are the outcomes of tests by name. A test that is not there did not come to its end.
type results map[string]outcome

// parseMarked reads lines of our own: a mark, an outcome and a name.
func parseMarked(out string) results {
	all := results{}
	for line := range strings.Lines(out) {
		_, rest, found := strings.Cut(strings.TrimRight(line, "\r\n"), "@@ ")
		if !found {
			continue
		}
		what, name, _ := strings.Cut(rest, " ")
		all[name] = outcome(what)
	}
	return all
}

var goLine = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`)

// parseGo reads what go test -v prints.
func parseGo(out string) results {
	all := results{}
	for _, m := range goLine.FindAllStringSubmatch(out, -1) {
		all[m[2]] = map[string]outcome{"PASS": passed, "FAIL": failed, "SKIP": skipped}[m[1]]
	}
	return all
}

var tapLine = regexp.MustCompile(`(?m)^\s*(not )?ok\b(?: \d+)?(?: -)? (/\S+)(.*)$`)

// parseTAP reads the Test Anything Protocol as GLib prints it.
func parseTAP(out string) results {
	all := results{}
	for _, m := range tapLine.FindAllStringSubmatch(out, -1) {
		switch {
		case m[1] != "":
			all[m[2]] = failed
		case strings.Contains(m[3], "# SKIP"):
			all[m[2]] = skipped
		default:
			all[m[2]] = passed
		}
	}
	return all
}

var opensshLine = regexp.MustCompile(`(?m)^(ok|failed|SKIPPED:?|skipped) (.+)$`)

// parseOpenSSH reads what OpenSSH's test-exec.sh prints.
func parseOpenSSH(out string) results {
	all := results{}
	for _, m := range opensshLine.FindAllStringSubmatch(out, -1) {
		switch m[1] {
		case "ok":
			all[m[2]] = passed
		case "failed":
			all[m[2]] = failed
		default:
			all[m[2]] = skipped
		}
	}
	return all
}
